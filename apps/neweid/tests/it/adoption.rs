//! An authority of the openssl program is taken over from its files and goes on in this one (NPC-01).

use crate::support::{Ran, Up, free_ports, get, in_dir, neweid};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const CONFIGURATION: &str = "[req]
distinguished_name = any
[ca]
default_ca = d
[d]
dir = .
new_certs_dir = .
database = index.txt
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
default_days = 365
default_crl_days = 7
rand_serial = yes
x509_extensions = citizen
crl_extensions = list
[any]
countryName = supplied
commonName = supplied
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[citizen]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[list]
authorityKeyIdentifier = keyid:always
";

const DOCUMENT: &str = r#"{
  "generations": [{ "certificate": "ca.pem", "list": "last.pem" }],
  "chain": ["root.pem"],
  "certificates": 2,
  "addresses": { "http://ca.test/all.crl": "crl-1" }
}"#;

/// A root, a CA since 2010, two certificates of which one is revoked, and the last list.
fn existing(place: &Path) {
    let openssl = |line: &str| {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(place).output();
        let done = done.expect("openssl is missing: apt-get install -y --no-install-recommends openssl");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let write = |name: &str, text: &str| {
        fs::write(place.join(name), text).expect("written");
        fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o600)).expect("ours");
    };
    for (name, text) in [
        ("ca.cnf", CONFIGURATION),
        ("index.txt", ""),
        ("crlnumber", "1F\n"),
        ("word", "correct horse\n"),
        ("adoption.json", DOCUMENT),
    ] {
        write(name, text);
    }
    let new = "req -new -config ca.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes";
    openssl(&format!(
        "{new} -keyout root.key -subj /C=TW/CN=Root -x509 -days 6000 -extensions root -out root.pem"
    ));
    for name in ["ca", "1", "2"] {
        openssl(&format!("{new} -keyout {name}.key -subj /C=TW/CN={name} -out {name}.csr"));
    }
    let sign = "ca -batch -notext -config ca.cnf";
    let years = "-startdate 20100101000000Z -enddate 20390101000000Z";
    openssl(&format!(
        "{sign} -keyfile root.key -cert root.pem {years} -extensions authority -in ca.csr -out ca.pem"
    ));
    for name in ["1", "2"] {
        openssl(&format!("{sign} -in {name}.csr -out {name}.pem"));
    }
    openssl("ca -config ca.cnf -revoke 2.pem -crl_reason superseded");
    openssl("ca -config ca.cnf -gencrl -out last.pem");
    openssl("pkcs8 -topk8 -v2 aes-256-cbc -in ca.key -out ca.p8 -passout file:word");
    fs::set_permissions(place.join("ca.p8"), fs::Permissions::from_mode(0o600)).expect("ours");
    fs::create_dir(place.join("issued")).expect("made");
    for name in ["1.pem", "2.pem"] {
        fs::copy(place.join(name), place.join("issued").join(name)).expect("copied");
    }
}

#[test]
fn an_authority_that_exists_goes_on_from_its_files() {
    let place = tempfile::tempdir().expect("a directory");
    let (place, dir) = (place.path(), place.path().join("data"));
    existing(place);
    let port = free_ports();
    let path = |name: &str| place.join(name).display().to_string();
    let propose = |document: &str| {
        let (document, port) = (path(document), port.to_string());
        in_dir(
            &dir,
            ["ceremony", "propose", "adoption", &document, "--operator", "anna", "--port-base", &port],
        )
    };
    fs::write(place.join("wrong.json"), DOCUMENT.replace("chain", "chains")).expect("written");
    propose("wrong.json").fails(2, "NEWEID-E-CEREMONY");
    let script = propose("adoption.json").success();
    assert!(script.contains("C=TW") && script.contains("next CRLNumber: 32"), "{script}");
    in_dir(&dir, ["ceremony", "approve", "0", "--operator", "bert"]).success();
    let run = |files: &[&str]| {
        let mut command = neweid();
        command.args(["ceremony", "run", "0", "--operator", "anna", "--witness", "bert", "--dir"]).arg(&dir);
        Ran::of(command.args(files))
    };
    run(&[]).fails(1, "NPC-ADOPTION");
    let (key, word, list, issued) =
        (format!("1={}", path("ca.p8")), path("word"), path("last.pem"), path("issued"));
    let keys = ["--private-key", &key, "--passphrase-file", &word];
    run(&[&keys[..], &["--list", &list]].concat()).fails(1, "NPC-ADOPTION");
    let done = run(&["--list", &list, "--certificates", &issued]).success();
    assert!(done.contains("certificates: 2") && done.contains("revoked: 1"), "{done}");

    let up = Up::spawn_at(&dir, port, &[]).ready();
    let (before, here) = (get(&up.status(), "/all.crl"), get(&up.status(), "/crl/npc.crl"));
    assert_eq!((before.status, &before.body), (200, &here.body));
    assert_eq!(get(&up.status(), "/crl/npc-root.crl").status, 404);
    fs::write(place.join("now.crl"), &here.body).expect("written");
    let url = format!("http://{}/ocsp", up.status());
    for (name, state) in [("1", "good"), ("2", "revoked")] {
        let line =
            format!("ocsp -url {url} -CAfile root.pem -verify_other ca.pem -issuer ca.pem -cert {name}.pem");
        let said =
            Command::new("openssl").args(line.split(' ')).current_dir(place).output().expect("openssl");
        let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert!(said.contains("Response verify OK") && said.contains(&format!(": {state}")), "{said}");
    }
    // The sample cards were issued by the authority that was there.
    let line = "crl -inform DER -in now.crl -CAfile ca.pem -noout -crlnumber";
    let said = Command::new("openssl").args(line.split(' ')).current_dir(place).output().expect("openssl");
    assert!(String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).contains("verify OK"));
    up.stop();
    assert!(in_dir(&dir, ["ceremony", "verify", "0"]).success().contains("相符"));
}
