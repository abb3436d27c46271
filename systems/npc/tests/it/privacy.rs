//! Nothing about who asked for whose status is kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use curve::Hash;
use model::KeySlot;
use npc::CertificateAuthority;
use store::testkit::each_engine;
use store::{AssertSqlSafe, Db, Engine, params};
use x509::Certificate;
use x509::ocsp::{CertId, IssuerHashes, build_request};
use x509::tsp::{Imprint, build_request as stamp_request};

use crate::support::*;

/// Every row of every table, as text.
async fn contents(db: &Db) -> BTreeMap<String, Vec<String>> {
    let names = match db.engine() {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Engine::Postgres => {
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in db.all(names, params![]).await.unwrap() {
        let table: String = row.read(0).unwrap();
        let text = match db.engine() {
            Engine::Sqlite => {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let rows = db.all(AssertSqlSafe(columns), params![]).await.unwrap();
                let quoted = |row: &store::Row| format!("quote(\"{}\")", row.read::<String>(0).unwrap());
                rows.iter().map(quoted).collect::<Vec<_>>().join(" || ',' || ")
            }
            Engine::Postgres => "CAST(t AS TEXT)".to_owned(),
        };
        let sql = format!("SELECT {text} FROM \"{table}\" t ORDER BY 1");
        let rows = db.all(AssertSqlSafe(sql), params![]).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.read(0).unwrap()).collect());
    }
    assert!(all.len() > 15 && all["certificate"].len() == 2, "{:?}", all.keys());
    all
}

async fn post(address: SocketAddr, path: &str, media_type: &str, body: &[u8]) {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: {media_type}");
    assert_eq!(http(address, &head, body).await.status, 200, "{path}");
}

/// Whoever asks for a status, a list, a filter, a certificate or a time stamp leaves the database as it was, to the byte. What
/// the program logs meanwhile is looked at where it runs (`apps/neweid/tests/it/status.rs`).
// proves: PRIVACY-01
#[tokio::test]
async fn questions_leave_no_trace_in_the_database() {
    each_engine("npc", async |db| {
        let (npc, address) = served(&db, Arc::new(now)).await;
        let mine = issued(&npc, 1, KeySlot::SigningRsa, 0).await;
        issued(&npc, 2, KeySlot::SigningRsa, 1).await;
        npc.publish(card(1), true, "holder", now()).await.unwrap();
        let stamp = stamp_request(&Imprint::of(Hash::Sha256, b"document"), None, Some(7));
        // Numbers of time stamps are reserved in blocks, whoever asks first; the filter is made once in a quarter of an hour.
        post(address, "/tsa", "application/timestamp-query", &stamp).await;
        assert_eq!(fetch(address, "/status/filter").await.status, 200);
        npc.maintain(now()).await.unwrap();

        let before = contents(&db).await;
        let issuer = IssuerHashes::new(&npc.ca_certificate()).unwrap();
        let id = CertId::new(&issuer, Hash::Sha256, &mine.serial).unwrap();
        for nonce in [None, Some(&[7; 32][..])] {
            let request = build_request(std::slice::from_ref(&id), nonce);
            post(address, "/ocsp", "application/ocsp-request", &request).await;
        }
        let certificate = Certificate::parse(&mine.der).unwrap();
        let key = Hash::Sha256.digest(certificate.spki());
        let lists = certificate.crl_distribution_points();
        let lists =
            lists.iter().map(|uri| uri.strip_prefix(&format!("http://{address}")).unwrap().to_owned());
        let others = [
            "/crl/npc-root.crl".to_owned(),
            "/status/filter".to_owned(),
            "/certs/npc-ca.cer".to_owned(),
            "/certs/issued-to-this-ca.p7b".to_owned(),
            "/cps".to_owned(),
            format!("/repository/serial/{}", hex::encode(mine.serial.octets())),
            format!("/repository/key/{}", hex::encode(key)),
            format!("/repository/holder/{}", mine.holder_no),
        ];
        for path in lists.chain(others) {
            assert_eq!(fetch(address, &path).await.status, 200, "{path}");
        }
        post(address, "/tsa", "application/timestamp-query", &stamp).await;
        assert_eq!(contents(&db).await, before);
        // What changes anything is seen.
        npc.publish(card(1), false, "holder", now()).await.unwrap();
        assert_ne!(contents(&db).await, before);
    })
    .await;
}
