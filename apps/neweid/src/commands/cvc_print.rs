//! `neweid cvc print`: card-verifiable certificates, requests and descriptions in plain words.

use crate::failure::{Failure, Fault};
use curve::Curve;
use eac::cvc::{
    Certificate, CertificateDescription, CvcError, Domain, PublicKey, Request, Role, TerminalType,
    VerifyingKey,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

enum Content {
    Certificate(Box<Certificate>),
    Request(Box<Request>),
    Description(CertificateDescription),
}

/// Runs the command.
pub fn run(files: &[PathBuf], json: bool) -> Result<ExitCode, Failure> {
    let contents = files
        .iter()
        .map(|path| Ok((path, parse(&std::fs::read(path)?).map_err(|error| malformed(path, error))?)))
        .collect::<Result<Vec<_>, Failure>>()?;
    let keys = keys(&contents);
    let shown: Vec<Value> = contents.iter().map(|(path, content)| show(path, content, &keys)).collect();
    if json {
        say!("{}", serde_json::to_string_pretty(&shown).map_err(Failure::ours)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (number, value) in shown.iter().enumerate() {
        if number > 0 {
            say!("");
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            say!("{:<14} {}", name, words(value));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "(無 none)".into(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn parse(bytes: &[u8]) -> Result<Content, CvcError> {
    match bytes.first() {
        Some(0x30) => CertificateDescription::parse(bytes).map(Content::Description),
        Some(0x67) => Request::parse(bytes).map(|request| Content::Request(Box::new(request))),
        // Certificate and request have one tag; what is missing in a request tells them apart.
        _ => match Certificate::parse(bytes) {
            Ok(certificate) => Ok(Content::Certificate(Box::new(certificate))),
            Err(error) => match Request::parse(bytes) {
                Ok(request) => Ok(Content::Request(Box::new(request))),
                Err(CvcError::Malformed(_)) => Err(error),
                Err(error) => Err(error),
            },
        },
    }
}

/// The keys of all certificates given, by reference; those without parameters after those they inherit from.
fn keys(contents: &[(&PathBuf, Content)]) -> BTreeMap<String, VerifyingKey> {
    let mut keys: BTreeMap<String, VerifyingKey> = BTreeMap::new();
    for _ in 0..contents.len() {
        for (_, content) in contents {
            let Content::Certificate(certificate) = content else { continue };
            let body = certificate.body();
            let inherited = keys.get(&body.authority.to_string()).map(VerifyingKey::curve);
            if let Ok(key) = certificate.key(inherited) {
                keys.entry(body.holder.to_string()).or_insert(key);
            }
        }
    }
    keys
}

fn show(path: &Path, content: &Content, keys: &BTreeMap<String, VerifyingKey>) -> Value {
    let file = path.display().to_string();
    match content {
        Content::Certificate(certificate) => {
            let body = certificate.body();
            let authority = body.authority.to_string();
            let signature = match keys.get(&authority).map(|key| certificate.verify(key)) {
                None => format!("未檢查 not checked: the certificate of {authority} was not given"),
                Some(Ok(())) if certificate.is_self_issued() => "自簽 self-signed, and whole".into(),
                Some(Ok(())) => format!("正確 verified with the key of {authority}"),
                Some(Err(error)) => format!("錯誤 WRONG: {error}"),
            };
            let authentication = body.chat.terminal_type() == TerminalType::AuthenticationTerminal;
            let rights: Vec<&str> =
                if authentication { body.chat.rights().names().collect() } else { vec![] };
            let updates: Vec<&str> = body.extensions.update_rights().names().collect();
            let inherited = keys.get(&authority).map(VerifyingKey::curve);
            json!({
                "file": file,
                "kind": "憑證 certificate",
                "holder": body.holder.to_string(),
                "authority": authority,
                "role": role(body.chat.role()),
                "terminals": kind(body.chat.terminal_type()),
                "from": body.effective.to_string(),
                "to": body.expiration.to_string(),
                "rights": rights,
                "updates": updates,
                "key": key(&body.public_key, inherited),
                "extensions": body.extensions.iter().map(extension).collect::<Vec<_>>(),
                "signature": signature,
            })
        }
        Content::Request(request) => {
            let outer = request.authenticated_by().map(|by| match keys.get(&by.to_string()) {
                None => format!("未檢查 by {by}, not checked"),
                Some(key) => match request.verify_authentication(key) {
                    Ok(()) => format!("正確 verified with the key of {by}"),
                    Err(error) => format!("錯誤 WRONG: {error}"),
                },
            });
            json!({
                "file": file,
                "kind": "請求 request",
                "holder": request.holder().to_string(),
                "authority": request.authority().map(ToString::to_string),
                "key": key(request.public_key(), None),
                "extensions": request.extensions().iter().map(extension).collect::<Vec<_>>(),
                "signature": "正確 verified with its own key",
                "authenticated": outer,
            })
        }
        Content::Description(description) => json!({
            "file": file,
            "kind": "憑證說明 certificate description",
            "issuer": description.issuer_name,
            "issuer_url": description.issuer_url,
            "subject": description.subject_name,
            "subject_url": description.subject_url,
            "terms": description.terms_of_usage,
            "sha512": hex::encode(description.hash(Curve::P521.hash())),
        }),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Cvca => "CVCA 國家驗證憑證機構 country verifying CA",
        Role::OfficialVerifier => "DV 文件驗證機構（官方） document verifier, official",
        Role::NonOfficialVerifier => "DV 文件驗證機構（非官方） document verifier, non-official",
        Role::Terminal => "終端 terminal",
    }
}

const fn kind(kind: TerminalType) -> &'static str {
    match kind {
        TerminalType::InspectionSystem => "查驗系統 inspection systems",
        TerminalType::AuthenticationTerminal => "驗證終端 authentication terminals",
        TerminalType::SignatureTerminal => "簽章終端 signature terminals",
    }
}

fn key(key: &PublicKey, inherited: Option<Curve>) -> String {
    let curve = match (key.domain(), inherited) {
        (Domain::Explicit(curve), _) => format!("{curve}, parameters spelled out"),
        (Domain::Inherited, Some(curve)) => format!("{curve}, as its authority"),
        (Domain::Inherited, None) => "the curve of its authority".into(),
        _ => "a curve not used here".into(),
    };
    format!("ECDSA with {:?} on {curve}", key.hash())
}

fn extension(extension: &eac::cvc::Extension) -> String {
    let name = tlv::oid::name(extension.oid).unwrap_or_else(|| extension.oid.to_string());
    let values: Vec<String> = extension.objects.iter().map(|(_, value)| hex::encode(value)).collect();
    format!("{name} {}", values.join(" "))
}

fn malformed(path: &Path, error: CvcError) -> Failure {
    Failure::new(
        "NEWEID-E-CVC",
        Fault::Caller,
        format!("{} 不是可讀的卡片可驗證憑證：{error}", path.display()),
        format!(
            "{} is no card-verifiable certificate, request or description that can be read: {error}",
            path.display()
        ),
        "檔案為 TLV 二進位格式 The file is binary TLV, not PEM or hexadecimal.",
    )
}
