//! `neweid ra`: the functions of the registration authority. The holder's PIN2 signs the request on the card in hand; the same
//! card is then written to, where the function does that.

use super::pki_ceremony::check_operator;
use crate::cards;
use crate::cli_ra::{Called, Ics, Outbox, RaCommand, RaRequest, SecondPair, WhichBlocked};
use crate::clock;
use crate::country::Country;
use crate::failure::{Failure, Fault};
use crate::hand::{Stop, work};
use crate::secrets;
use curve::{Hash, Random, SystemRandom};
use mgmt::{CallerAnswers, NewCounterCase};
use model::{CardSerial, KeySlot, NationalIdNo, UserCode};
use ra::functions::{self, Channel, Function};
use ra::{Consent, Detail, Device, Done, Firm, HandedOver, NewCard, NextKeys, Outcome, Proof, Request};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use terminal::npc_card::{CertificateId, NpcError};
use terminal::perso::PinReference;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// Runs the command.
pub async fn run(command: RaCommand) -> Result<ExitCode, Failure> {
    let plain = |function, request| act(function, Detail::Nothing, request, None);
    match command {
        RaCommand::Functions { json } => list(json),
        RaCommand::Verify { dir, json } => verify(&dir, json).await,
        RaCommand::Case { serial, services, clerk, office, person, dir, json } => {
            let person = person.map(|file| person_of(&file)).transpose()?;
            let case = NewCounterCase { card: serial, person, services, office };
            open_case(&case, &clerk, &dir, json).await
        }
        RaCommand::CloseCase { case, clerk, dir, json } => {
            check_operator(&clerk)?;
            let country = Country::open(&dir).await?;
            hotline_alone(&country, &clerk, false).await?;
            country
                .mgmt
                .close_counter_case(case, &clerk, clock::now())
                .await
                .map_err(Failure::from_system)?;
            if json {
                say!("{}", json!({ "case": case.as_str(), "open": false }));
            } else {
                say!("已結案 Closed: {case}");
            }
            Ok(ExitCode::SUCCESS)
        }
        RaCommand::Issue { request, person, resident_name, signing, encryption } => {
            let number = person_of(&person)?;
            let resident_name = resident_name.map(|file| line_of(&file)).transpose()?.flatten();
            let carrier = match resident_name {
                Some(_) => npc::Carrier::ForeignResidentCard,
                None => npc::Carrier::CertificateCard,
            };
            let requests =
                vec![(KeySlot::SigningRsa, csr(&signing)?), (KeySlot::EncryptionRsa, csr(&encryption)?)];
            let card = NewCard { carrier, person: number, resident_name, requests };
            act(Function::Issue, Detail::NewCard(Box::new(card)), request, None).await
        }
        RaCommand::Suspend(request) => plain(Function::Suspend, request).await,
        RaCommand::Resume(request) => plain(Function::Resume, request).await,
        RaCommand::Revoke { request, reason } => {
            act(Function::Revoke, Detail::Reason(reason), request, None).await
        }
        RaCommand::Extend { request, keys } => act(Function::Extend, second_pair(keys)?, request, None).await,
        RaCommand::Modify { request, keys } => act(Function::Modify, second_pair(keys)?, request, None).await,
        RaCommand::Rekey(request) => plain(Function::Rekey, request).await,
        RaCommand::Rewrite(request) => plain(Function::Rewrite, request).await,
        RaCommand::Query(request) => plain(Function::QueryStatus, request).await,
        RaCommand::Publish(request) => {
            act(Function::ChangePublication, Detail::Published(true), request, None).await
        }
        RaCommand::Hide(request) => {
            act(Function::ChangePublication, Detail::Published(false), request, None).await
        }
        RaCommand::Contact { request, email, mobile } => {
            let (function, detail) = match (&email, &mobile) {
                (Some(file), _) => (Function::ChangeEmail, Detail::Email(line_of(file)?)),
                (None, Some(file)) => (Function::ChangeMobile, Detail::Mobile(line_of(file)?)),
                (None, None) => return Err(Failure::ours("clap asks for one")),
            };
            act(function, detail, request, None).await
        }
        RaCommand::Code(request) => send_code(request).await,
        RaCommand::Unblock { request, pin } => {
            let pins = match pin {
                WhichBlocked::Pin1 => vec![PinReference::Pin1],
                WhichBlocked::Pin2 => vec![PinReference::Pin2],
                WhichBlocked::Both => vec![PinReference::Pin1, PinReference::Pin2],
            };
            act(Function::Unblock, Detail::Pins(pins), request, None).await
        }
        RaCommand::ChangePin { request, new } => {
            act(Function::ChangePin, Detail::Nothing, request, Some(new)).await
        }
        RaCommand::ResetUserCode(request) => plain(Function::ResetUserCode, request).await,
        RaCommand::ChangeUserCode { request, new } => {
            act(Function::ChangeUserCode, Detail::Nothing, request, Some(new)).await
        }
        RaCommand::Barcode { request, svg } => {
            act_and_draw(Function::Barcode, Detail::Nothing, request, None, svg).await
        }
        RaCommand::VirtualCard { request, person, signing, encryption } => {
            let person = line_of(&person)?.and_then(|number| number.parse().ok()).ok_or_else(no_person)?;
            let requests =
                vec![(KeySlot::SigningRsa, csr(&signing)?), (KeySlot::EncryptionRsa, csr(&encryption)?)];
            act(Function::VirtualCard, Detail::Device(Box::new(Device { person, requests })), request, None)
                .await
        }
        RaCommand::Loss(request) => plain(Function::ReportLoss, request).await,
        RaCommand::Found(request) => plain(Function::WithdrawLoss, request).await,
        RaCommand::Ics(command) => ics(&command).await,
        RaCommand::Outbox(outbox) => self::outbox(&outbox).await,
    }
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    if !json {
        say!("{}", functions::document().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let rules: Vec<Value> = functions::RULES
        .iter()
        .map(|rule| {
            let by: Vec<_> = rule.authorised_by.iter().map(|by| by.as_str()).collect();
            json!({ "channel": rule.channel.as_str(), "number": rule.number, "function": rule.function.as_str(), "authorised_by": by })
        })
        .collect();
    say!("{}", serde_json::to_string_pretty(&rules).map_err(Failure::ours)?);
    Ok(ExitCode::SUCCESS)
}

async fn verify(dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    let country = Country::open(dir).await?;
    let receipt = country.ra.verify_management(clock::now()).await.map_err(Failure::from_system)?;
    if json {
        say!("{}", json!({ "verified": true, "receipt": receipt }));
    } else {
        say!("兩系統已相互驗證 Both systems have verified each other. {receipt}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The second pair of keys of a certificate-only card, if it is one.
fn second_pair(keys: SecondPair) -> Result<Detail, Failure> {
    let (Some(person), Some(signing), Some(encryption)) = (keys.person, keys.signing, keys.encryption) else {
        return Ok(Detail::Nothing);
    };
    let person = person_of(&person)?;
    let resident_name = keys.resident_name.map(|file| line_of(&file)).transpose()?.flatten();
    let requests = vec![(KeySlot::SigningEc, csr(&signing)?), (KeySlot::EncryptionEc, csr(&encryption)?)];
    Ok(Detail::NextKeys(Box::new(NextKeys { person, resident_name, requests })))
}

/// A certification request, PEM or DER.
fn csr(file: &Path) -> Result<Vec<u8>, Failure> {
    pem_or_der("CERTIFICATE REQUEST", file)
}

fn pem_or_der(label: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = super::input(file)?;
    let pem = std::str::from_utf8(&bytes).ok();
    Ok(match pem.and_then(|text| x509::pem::decode(label, text).ok()) {
        Some(der) => der,
        None => bytes,
    })
}

async fn open_case(case: &NewCounterCase, clerk: &str, dir: &Path, json: bool) -> Result<ExitCode, Failure> {
    check_operator(clerk)?;
    let country = Country::open(dir).await?;
    hotline_alone(&country, clerk, false).await?;
    let no = country.mgmt.open_counter_case(case, clerk, clock::now()).await.map_err(Failure::from_system)?;
    if json {
        say!("{}", json!({ "case": no.as_str(), "open": true }));
    } else {
        say!("案號 Case {no}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The national number, or that of a residence permit, in the first line of a file.
pub fn person_of(file: &Path) -> Result<NationalIdNo, Failure> {
    line_of(file)?.and_then(|number| number.parse().ok()).ok_or_else(no_person)
}

fn no_person() -> Failure {
    Failure::new(
        "NEWEID-E-PERSON-NUMBER",
        Fault::Caller,
        "檔案中沒有正確的統一編號。",
        "There is no valid identification number in the file.",
        "一行：身分證統一編號或居留證統一證號 One line: the national number, or that of the residence permit.",
    )
    .exit(2)
}

async fn act(
    function: Function,
    detail: Detail,
    arguments: RaRequest,
    new: Option<Option<std::path::PathBuf>>,
) -> Result<ExitCode, Failure> {
    act_and_draw(function, detail, arguments, new, None).await
}

/// The same; a barcode that comes of it is drawn into a file.
async fn act_and_draw(
    function: Function,
    detail: Detail,
    arguments: RaRequest,
    new: Option<Option<std::path::PathBuf>>,
    svg: Option<std::path::PathBuf>,
) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let card = serial(&arguments)?;
        let country = Handle::current().block_on(Country::open(&arguments.card.dir))?;
        let now = clock::now();
        let mut id = [0; 16];
        SystemRandom.fill(&mut id);
        let id = arguments.request.unwrap_or_else(|| uuid::Builder::from_random_bytes(id).into_uuid());
        let request = Request { id, function, card, at: arguments.at.unwrap_or(now), detail: detail.clone() };
        if arguments.text {
            say!("{}", request.text().trim_end_matches('\n'));
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(account) = arguments.operator.as_ref().or(arguments.clerk.as_ref()) {
            let called = arguments.operator.is_some() && arguments.called == Called::Hotline;
            Handle::current().block_on(hotline_alone(&country, account, called))?;
        }
        let (channel, proof) = prove(&arguments, &request, new.as_ref().map(Option::as_deref), stop)?;
        let elsewhere = Handle::current().block_on(country.ra.is_certificate_card(card));
        let reader: Option<mgmt::Reader> =
            if function.needs_card() && !elsewhere.map_err(Failure::from_system)? {
                Some(arguments.card.take(stop)?)
            } else {
                None
            };
        let done =
            Handle::current().block_on(country.ra.act(channel, &request, &proof, reader, clock::now()));
        let done = done.map_err(Failure::from_system)?;
        let files = match &done.outcome {
            Outcome::Certificates(handed) | Outcome::VirtualCard(_, handed) => {
                Handle::current().block_on(with_chain(&country, handed))?
            }
            _ => Vec::new(),
        };
        if let Some(out) = &arguments.out {
            std::fs::create_dir_all(out)?;
            for (name, pem) in &files {
                std::fs::write(out.join(format!("{name}.pem")), pem)?;
            }
        }
        if let (Some(file), Outcome::Barcode(barcode)) = (&svg, &done.outcome) {
            std::fs::write(file, cardface::code_39_svg(barcode.as_str()).map_err(Failure::ours)?)?;
        }
        show(&request, &done, &files, arguments.card.json);
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// LOSS-05: the hotline has accounts of its own, which take its calls and do nothing else.
async fn hotline_alone(country: &Country, account: &str, called: bool) -> Result<(), Failure> {
    let all = country.operators.list().await.map_err(Failure::from_system)?;
    let of_hotline = |one: &operators::Operator| one.role == Some(operators::Role::Hotline);
    let found = all.iter().find(|one| one.name == account);
    let may = if called {
        found.is_some_and(|one| one.enabled && of_hotline(one))
    } else {
        !found.is_some_and(of_hotline)
    };
    if may {
        return Ok(());
    }
    Err(Failure::new(
        "NEWEID-E-HOTLINE",
        Fault::Caller,
        "1996 專線僅由專線人員之帳號受理，該帳號亦不得辦理其他事項。",
        "Only accounts of the hotline take its calls, and they do nothing else.",
        "neweid operator add NAME --role hotline；其他事項以其他帳號辦理 another account for anything else",
    ))
}

/// The certificates handed over and those of their CA, by the names of their files, PEM.
async fn with_chain(country: &Country, handed: &HandedOver) -> Result<Vec<(&'static str, String)>, Failure> {
    let pem = |der: &[u8]| x509::pem::encode("CERTIFICATE", der);
    let mut files: Vec<_> = handed.0.iter().map(|(slot, der)| (super::key_name(*slot), pem(der))).collect();
    if let Some((_, newest)) = handed.0.last() {
        let chain = npc::CertificateAuthority::chain_of(&*country.npc, newest).await;
        if let Some((issuer, root)) = chain.map_err(Failure::from_system)? {
            files.extend([("npc-ca", pem(&issuer)), ("npc-root", pem(&root))]);
        }
    }
    Ok(files)
}

/// Where the request comes from, and what authorises it.
fn prove(
    arguments: &RaRequest,
    request: &Request,
    new: Option<Option<&Path>>,
    stop: &Stop,
) -> Result<(Channel, Proof), Failure> {
    let pin2 = || secrets::pin(arguments.pin2.as_deref(), "目前的 PIN2", "Present PIN2");
    let signature = || match &arguments.signature {
        Some(file) => super::input(file).map(Some),
        None if arguments.pin2.is_some() => sign(arguments, request, &pin2()?, stop).map(Some),
        None => Ok(None),
    };
    if let (Some(clerk), Some(office), Some(case)) = (&arguments.clerk, arguments.office, arguments.case) {
        check_operator(clerk)?;
        let consent = match signature()? {
            Some(cms) => Some(Consent::Signature(cms)),
            None if arguments.user_code.is_some() => Some(Consent::UserCode(user_code(arguments)?)),
            None => None,
        };
        return Ok((Channel::Counter, Proof::Clerk { clerk: clerk.clone(), office, case, consent }));
    }
    if let Some(operator) = &arguments.operator {
        check_operator(operator)?;
        let channel = match arguments.called {
            Called::Telephone => Channel::Telephone,
            Called::Hotline => Channel::Hotline,
        };
        let operator = operator.clone();
        let proof = match &arguments.answers {
            Some(file) => Proof::Caller { operator, answers: answers(file)? },
            None => Proof::CallerUserCode { operator, code: user_code(arguments)? },
        };
        return Ok((channel, proof));
    }
    if let (Some(new), Function::ChangeUserCode) = (new, request.function) {
        let present = user_code(arguments)?;
        let new = secrets::new_pin(new, "新的用戶代碼", "New user code")?;
        return Ok((Channel::Online, Proof::UserCodeChange(present, code_of(&new)?)));
    }
    if let Some(new) = new {
        let present = pin2()?;
        let new = secrets::new_pin(new, "新的 PIN2", "New PIN2")?;
        let read = |pin: &curve::SecretBytes| {
            std::str::from_utf8(pin.expose()).ok().and_then(|text| text.parse().ok())
        };
        let (Some(present), Some(new)) = (read(&present), read(&new)) else {
            return Err(Failure::from_refusal(terminal::Refusal::Pin2Form, None));
        };
        return Ok((Channel::Online, Proof::Pin2Change(present, new)));
    }
    if let Some(cms) = signature()? {
        return Ok((Channel::Online, Proof::Signature(cms)));
    }
    let code = user_code(arguments)?;
    let proof = match &arguments.one_time_code {
        None => Proof::UserCode(code),
        Some(file) => {
            let sent = secrets::pin(Some(file), "一次性密碼", "One-time code")?;
            Proof::OneTimeCode(code, String::from_utf8_lossy(sent.expose()).into_owned())
        }
    };
    Ok((Channel::Online, proof))
}

/// The card signs the text of the request, with the newest of its signing keys that has a certificate for today.
fn sign(
    arguments: &RaRequest,
    request: &Request,
    pin2: &curve::SecretBytes,
    stop: &Stop,
) -> Result<Vec<u8>, Failure> {
    let can = super::access_number_for_pin2(&arguments.card, false)?;
    let mut zone = super::zone(arguments.card.take(stop)?, can.as_ref())?;
    let mut chosen = (KeySlot::SigningRsa, Hash::Sha256);
    match zone.certificate(CertificateId::SigningEc) {
        Ok(der) => {
            let certificate = x509::Certificate::parse(&der).map_err(Failure::ours)?;
            if certificate.not_before() <= request.at && request.at <= certificate.not_after() {
                chosen = (KeySlot::SigningEc, Hash::Sha512);
            }
        }
        Err(NpcError::Absent) => {}
        Err(error) => return Err(error.into()),
    }
    zone.verify_pin2(pin2)?;
    let cms = zone.sign_cms(chosen.0, chosen.1, request.text().as_bytes(), Some(request.at));
    cms.map_err(|error| super::with_key(error, chosen.0))
}

fn show(request: &Request, done: &Done, files: &[(&'static str, String)], json: bool) {
    let (number, receipt) = (request.id.hyphenated(), &done.receipt);
    if json {
        let mut document = json!({
            "request": number.to_string(), "at": request.at.to_string(), "function": request.function.as_str(),
            "card": request.card.to_string(), "receipt": receipt, "repeated": done.repeated,
            "charges": { "certificate": done.charges.certificate(), "carrier": done.charges.carrier },
        });
        match &done.outcome {
            Outcome::Written(count) => document["written"] = json!(count),
            Outcome::WrittenOnHold(count) => {
                document["written"] = json!(count);
                document["on_hold"] = json!(true);
            }
            Outcome::Certificates(_) => {
                document["handed_over"] =
                    files.iter().map(|(name, pem)| json!({ "for": name, "pem": pem })).collect();
            }
            Outcome::VirtualCard(device, _) => {
                document["device"] = json!(device.to_string());
                document["handed_over"] =
                    files.iter().map(|(name, pem)| json!({ "for": name, "pem": pem })).collect();
            }
            Outcome::UserCode(code) => document["user_code"] = json!(code.expose()),
            Outcome::Barcode(barcode) => document["barcode"] = json!(barcode.as_str()),
            Outcome::Status { card, certificates, published } => {
                document["card_state"] = json!(card.map(|state| state.as_str()));
                document["published"] = json!(published);
                document["certificates"] = certificates
                    .iter()
                    .map(|c| {
                        json!({
                            "serial": c.serial, "key": super::key_name(c.slot), "state": c.state,
                            "not_before": c.not_before.to_string(), "not_after": c.not_after.to_string(),
                        })
                    })
                    .collect();
            }
            _ => {}
        }
        say!("{document:#}");
        return;
    }
    say!("已辦理 Done: {} {}", request.function.zh(), request.function.as_str());
    match &done.outcome {
        Outcome::Written(count) => say!("  憑證 {count} 張 {count} certificates"),
        Outcome::WrittenOnHold(count) => {
            say!("  憑證 {count} 張，停用中，停用原因解除後始可使用");
            say!("  {count} certificates, on hold: they serve when the cause is over");
        }
        Outcome::Certificates(_) => files.iter().for_each(|(name, pem)| say!("  {name}\n{}", pem.trim_end())),
        Outcome::UserCode(code) => {
            say!("  預設用戶代碼（僅顯示一次） default user code, shown once: {}", code.expose());
        }
        Outcome::VirtualCard(device, _) => {
            say!("  虛擬智慧卡 virtual smart card: {device}");
            files.iter().for_each(|(name, pem)| say!("  {name}\n{}", pem.trim_end()));
        }
        Outcome::Barcode(barcode) => say!("  憑證條碼 barcode: {}", barcode.as_str()),
        Outcome::Status { card, certificates, published } => {
            if let Some(state) = card {
                say!("  卡片 card {} {}", state.zh(), state.as_str());
            }
            for c in certificates {
                say!(
                    "  {:<12}{:<11}{} … {}  {}",
                    super::key_name(c.slot),
                    c.state,
                    c.not_before,
                    c.not_after,
                    c.serial
                );
            }
            say!("  {}", if *published { "已公布 published" } else { "不公布 not published" });
        }
        _ => {}
    }
    if request.function == Function::Issue {
        let (certificate, carrier) = (done.charges.certificate(), done.charges.carrier);
        say!("  費用 charged: 憑證 certificates NT$ {certificate}，載具 carrier NT$ {carrier}");
    }
    let again = if done.repeated { "（先前已辦理 done before）" } else { "" };
    say!("  收件編號 receipt {receipt}{again}，申請編號 request {number}");
}

async fn send_code(arguments: RaRequest) -> Result<ExitCode, Failure> {
    work(move |_| {
        let card = serial(&arguments)?;
        let country = Handle::current().block_on(Country::open(&arguments.card.dir))?;
        let code = user_code(&arguments)?;
        let way = Handle::current().block_on(country.ra.send_one_time_code(card, &code, clock::now()));
        let way = way.map_err(Failure::from_system)?.as_str();
        if arguments.card.json {
            say!("{}", json!({ "sent": way }));
        } else {
            say!("一次性密碼已送出 A code is on its way by {way}.");
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn ics(command: &Ics) -> Result<ExitCode, Failure> {
    match command {
        Ics::Register { name, certificate, classes, until, per_minute, operator, dir } => {
            check_operator(operator)?;
            check_operator(name)?;
            let firm = Firm {
                name: name.clone(),
                certificate: pem_or_der("CERTIFICATE", certificate)?,
                classes: classes.clone(),
                until: *until,
                per_minute: *per_minute,
            };
            let country = Country::open(dir).await?;
            hotline_alone(&country, operator, false).await?;
            country.ra.register_firm(&firm, operator, clock::now()).await.map_err(Failure::from_system)?;
            say!("已登錄 registered: {name}");
        }
        Ics::Answer { file, dir, json } => {
            let signed = super::input(file)?;
            let country = Country::open(dir).await?;
            let yes = country.ra.confirm_identity(&signed, clock::now()).await;
            answered("confirmed", yes.map_err(Failure::from_system)?, ["相符 yes", "不符 no"], *json);
        }
        Ics::Barcode { file, dir, json } => {
            let signed = super::input(file)?;
            let country = Country::open(dir).await?;
            let yes = country.ra.answer_about_barcode(&signed, clock::now()).await;
            answered("answer", yes.map_err(Failure::from_system)?, ["是 yes", "否 no"], *json);
        }
        Ics::Tally { dir, json } => {
            let country = Country::open(dir).await?;
            let tallies = country.ra.ics_tallies().await.map_err(Failure::from_system)?;
            if *json {
                let all: Vec<Value> = tallies
                    .iter()
                    .map(|t| json!({ "firm": t.firm, "day": t.day, "class": t.class.as_str(), "answered": t.answered }))
                    .collect();
                say!("{}", serde_json::to_string_pretty(&all).map_err(Failure::ours)?);
            } else {
                tallies
                    .iter()
                    .for_each(|t| say!("{}  {:<20}{:<10}{}", t.day, t.firm, t.class.as_str(), t.answered));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Yes or no under a key, or in the words for each.
fn answered(key: &str, yes: bool, [affirmed, denied]: [&str; 2], json: bool) {
    match (json, yes) {
        (true, _) => say!("{}", json!({ key: yes })),
        (false, true) => say!("{affirmed}"),
        (false, false) => say!("{denied}"),
    }
}

async fn outbox(command: &Outbox) -> Result<ExitCode, Failure> {
    match command {
        Outbox::List { dir, json } => {
            let country = Country::open(dir).await?;
            let waiting = country.ra.messages(1_000, clock::now()).await.map_err(Failure::from_system)?;
            if *json {
                let all: Vec<Value> = waiting
                    .iter()
                    .map(|m| json!({ "id": m.id.to_string(), "way": m.way.as_str(), "to": m.to, "text": m.text }))
                    .collect();
                say!("{}", serde_json::to_string_pretty(&all).map_err(Failure::ours)?);
            } else if waiting.is_empty() {
                say!("沒有待寄訊息。 No message waits.");
            } else {
                waiting.iter().for_each(|m| say!("{}  {} {}\n{}\n", m.id, m.way.as_str(), m.to, m.text));
            }
        }
        Outbox::Sent { id, dir } => {
            let country = Country::open(dir).await?;
            country.ra.message_sent(*id, clock::now()).await.map_err(Failure::from_system)?;
            say!("已寄出 sent: {id}");
        }
        Outbox::Count { dir, json } => {
            let country = Country::open(dir).await?;
            let months = country.ra.sms_sent().await.map_err(Failure::from_system)?;
            if *json {
                let months: serde_json::Map<String, Value> =
                    months.into_iter().map(|(month, count)| (month, json!(count))).collect();
                say!("{}", Value::Object(months));
            } else {
                months.iter().for_each(|(month, count)| say!("{month}  {count}"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn serial(arguments: &RaRequest) -> Result<CardSerial, Failure> {
    let serial = arguments.card.serial.as_ref().or(arguments.of.as_ref());
    cards::parse_serial(serial.ok_or_else(super::card_update::no_serial)?)
}

fn user_code(arguments: &RaRequest) -> Result<UserCode, Failure> {
    code_of(&secrets::pin(arguments.user_code.as_deref(), "用戶代碼", "User code")?)
}

fn code_of(code: &curve::SecretBytes) -> Result<UserCode, Failure> {
    std::str::from_utf8(code.expose()).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Failure::new(
            "NEWEID-E-USER-CODE",
            Fault::Caller,
            "用戶代碼為 6 至 10 碼英數字。",
            "A user code has 6 to 10 letters and digits, at least one of each.",
            "見領證確認書，或至戶政事務所重設 See the collection confirmation, or have it reset at a household office.",
        )
        .exit(2)
    })
}

/// One line of a file; none where it is empty.
fn line_of(file: &Path) -> Result<Option<String>, Failure> {
    let text = read(file)?;
    let line = text.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

fn answers(file: &Path) -> Result<CallerAnswers, Failure> {
    answers_of(&read(file)?)
}

pub fn answers_of(text: &str) -> Result<CallerAnswers, Failure> {
    // The parser's own words quote what it read, which names a person.
    let malformed = || {
        Failure::new(
            "NEWEID-E-CALLER-ANSWERS",
            Fault::Caller,
            "來電者答覆檔內容不符。",
            "The file with the caller's answers is not what it must be.",
            r#"例 Example: {"number":"A123456789","birth":"1990-01-31","district":"63000010"}"#,
        )
        .exit(2)
    };
    let value: Value = serde_json::from_str(text).map_err(|_| malformed())?;
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    let read = || {
        Some(CallerAnswers {
            number: field("number")?.parse().ok()?,
            birth: field("birth")?.parse().ok()?,
            district: field("district")?,
            representative: field("representative"),
        })
    };
    read().ok_or_else(malformed)
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        *text = std::fs::read_to_string(file)?;
    }
    Ok(text)
}
