//! The running program compares the keys it has certified.

use crate::books::wait;
use crate::support::{Country, PATIENCE, Up, get};
use std::time::{Duration, Instant};
use store::{Db, params};
use x509::{Certificate, PublicKey};

/// Two cards whose keys have a factor in common, certified by somebody who did not look, and the comparison of yesterday long over:
/// `neweid up` finds them by itself, and its figures say so.
// proves: NPC-58
#[test]
fn keys_with_a_common_factor_are_found_by_the_running_program() {
    let country = Country::new();
    wait(with_a_common_factor(&country));
    let up = Up::start(&country.dir());
    let begun = Instant::now();
    loop {
        let figures = String::from_utf8(get(&up.console(), "/metrics").body).expect("UTF-8");
        let line = figures.lines().find(|line| line.contains("certificates-with-common-factor"));
        if line.is_some_and(|line| line.ends_with(" 2")) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{line:?} {}", up.stderr());
        std::thread::sleep(Duration::from_millis(100));
    }
    up.stop();
}

async fn with_a_common_factor(country: &Country) {
    let moduli = include_str!("../../../../systems/npc/tests/vectors/shared-factor/moduli.txt");
    let file = country.dir().join("db/npc.sqlite");
    let db = Db::open(&format!("sqlite:{}", file.display()), "npc").await.expect("the database opens");
    let sql = "SELECT serial, der FROM certificate WHERE slot = 1 AND der IS NOT NULL AND key_class = 'RSA-2048' \
        ORDER BY card LIMIT 2";
    let rows = db.all(sql, params![]).await.expect("certificates");
    assert_eq!(rows.len(), 2);
    for (row, modulus) in rows.iter().zip(moduli.lines()) {
        let (serial, mut der): (Vec<u8>, Vec<u8>) =
            (row.read("serial").expect("bytes"), row.read("der").expect("bytes"));
        let certificate = Certificate::parse(&der).expect("a certificate");
        let Ok(PublicKey::Rsa(key)) = PublicKey::from_spki(certificate.spki()) else { panic!("no RSA key") };
        let own = key.modulus().to_vec();
        let place = der.windows(own.len()).position(|bytes| bytes == own).expect("its modulus");
        let weak: Vec<u8> = (0..own.len())
            .map(|n| u8::from_str_radix(&modulus[2 * n..2 * n + 2], 16).expect("hexadecimal"))
            .collect();
        der[place..place + own.len()].copy_from_slice(&weak);
        db.execute("UPDATE certificate SET der = $2 WHERE serial = $1", params![serial, der])
            .await
            .expect("a row");
    }
    for sql in [
        "UPDATE counter SET value = 0 WHERE name IN ('modulus-time', 'modulus-change')",
        "DELETE FROM modulus",
        "DELETE FROM modulus_group",
    ] {
        db.execute(sql, params![]).await.expect("forgotten");
    }
    db.close().await;
}
