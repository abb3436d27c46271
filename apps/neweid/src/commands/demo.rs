//! `neweid demo`: one person's journey, from the application to the revoked certificate, through every system, with a
//! foreign program's verdict wherever one is installed.

use crate::cli::Demo;
use crate::commands::{pki_export, up::Serving};
use crate::country::Country;
use crate::directory::{Choices, Directory, write_atomically};
use crate::failure::{Failure, Fault};
use crate::openssl::{OpenSsl, Status, Verdict};
use crate::signals::{Interruption, interrupted};
use crate::{cards, clock};
use chip::Interface;
use curve::{Hash, Random, SecretBytes};
use eac::Password;
use mgmt::{Contact, Decision, Inspection, NewApplication};
use model::{
    ApplicationKind, ApplicationState, CardProfile, CardSerial, CaseNo, Channel, NationalIdNo, OfficeCode,
    Pin1, Pin2, RevocationReason, RocDate, UserCode,
};
use registry::{Person, Population, Register, Status as PersonStatus};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use terminal::npc_card::NpcCard;

/// The clerk of the demonstration.
const CLERK: &str = "demo-clerk";
/// How long a change may take to be seen by a country that runs in another process.
const NOTICE: Duration = Duration::from_secs(2);
/// How long production may take before the demonstration gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// One step: who did what, how long it took, and what foreign programs said.
#[derive(Serialize)]
struct Step {
    number: usize,
    system: &'static str,
    zh: String,
    en: String,
    milliseconds: f64,
    checks: Vec<Verdict>,
}

#[derive(Serialize)]
struct Report {
    passed: bool,
    serial: Option<String>,
    case: Option<String>,
    foreign_program: Option<String>,
    checks: usize,
    checks_failed: usize,
    seconds: f64,
    files: PathBuf,
    steps: Vec<Step>,
}

/// Runs the command: exit code 0 only if every check passed.
pub async fn run(arguments: Demo) -> Result<ExitCode, Failure> {
    let photo = match &arguments.photo {
        Some(path) => read_photo(path).map_err(|error| {
            Failure::new(
                "NEWEID-E-PHOTO-FILE",
                Fault::Caller,
                format!("無法讀取相片 {}：{error}", path.display()),
                format!("The photo {} cannot be read: {error}", path.display()),
                "JPEG, 826 x 1062 以上 or more, 5 MB 以下 or less",
            )
            .exit(2)
        })?,
        None => mgmt::portrait::draw(clock::now().as_microsecond().unsigned_abs()),
    };
    let choices = Choices { port_base: arguments.port_base, ..Choices::default() };
    let directory = Directory::open_or_create(&arguments.dir, choices)?;
    let mut interruption = Interruption::listen()?;
    // On a directory that nobody serves, the demonstration serves it for itself.
    let started = tokio::select! {
        started = Serving::start(&directory) => started,
        () = interruption.wait() => Err(interrupted()),
    };
    let serving = match started {
        Ok(serving) => Some(serving),
        Err(failure) if failure.code == "NEWEID-E-DIR-IN-USE" => None,
        Err(failure) => return Err(failure),
    };
    let outcome = tokio::select! {
        outcome = journey(&directory, serving.as_ref(), arguments.json, photo) => outcome,
        () = interruption.wait() => Err(interrupted()),
    };
    if let Some(serving) = serving {
        serving.stop().await;
    }
    let passed = outcome?.finish()?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn journey(
    directory: &Directory,
    serving: Option<&Serving>,
    json: bool,
    photo: Vec<u8>,
) -> Result<Journey, Failure> {
    let country = match serving {
        Some(serving) => Arc::clone(&serving.country),
        None => Arc::new(open_beside(directory).await?),
    };
    let mut journey = Journey::new(country, directory, serving.is_some(), json)?;
    journey.travel(photo).await?;
    Ok(journey)
}

// The day the camera wrote; a photo without one was taken today, as its applicant would declare.
fn photo_taken(photo: &[u8]) -> model::RocDate {
    let camera = mgmt::photo_metadata::Metadata::read(photo).taken;
    camera.map_or_else(|| model::RocDate::in_taipei(clock::now()), model::RocDate::from)
}

// Reads no more than a photo may have and one byte: a device or pipe may have no end.
fn read_photo(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(mgmt::photo::MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

// A country that another process serves is complete once its endpoints are written.
async fn open_beside(directory: &Directory) -> Result<Country, Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !directory.endpoints().exists() {
        if Instant::now() > deadline {
            return Err(Failure::new(
                "NEWEID-E-SERVICE-SILENT",
                Fault::Environment,
                "另一個程序尚未完成啟動。",
                "The process that serves this directory has not finished starting.",
                "查看 neweid up 的輸出 Look at what `neweid up` says.",
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Country::open(&directory.root).await
}

struct Journey {
    country: Arc<Country>,
    serves: bool,
    ocsp_url: String,
    crl_url: String,
    judge: Option<OpenSsl>,
    files: PathBuf,
    json: bool,
    started: Instant,
    steps: Vec<Step>,
    serial: Option<CardSerial>,
    case: Option<CaseNo>,
}

impl Journey {
    fn new(country: Arc<Country>, directory: &Directory, serves: bool, json: bool) -> Result<Self, Failure> {
        let endpoints: serde_json::Value =
            serde_json::from_slice(&std::fs::read(directory.endpoints())?).map_err(Failure::ours)?;
        let [ocsp_url, crl_url] =
            ["ocsp", "crl"].map(|name| endpoints[name].as_str().unwrap_or_default().to_owned());
        let files = directory.root.join("demo").join(clock::now().strftime("%Y%m%dT%H%M%S%3f").to_string());
        std::fs::create_dir_all(&files)?;
        let files = files.canonicalize()?;
        let judge = OpenSsl::find(&files);
        Ok(Self {
            country,
            serves,
            ocsp_url,
            crl_url,
            judge,
            files,
            json,
            started: Instant::now(),
            steps: Vec::new(),
            serial: None,
            case: None,
        })
    }

    /// Notes a step that began at `since`, and prints it.
    fn step(&mut self, system: &'static str, since: Instant, zh: String, en: String, checks: Vec<Verdict>) {
        let milliseconds = since.elapsed().as_secs_f64() * 1000.0;
        let step = Step { number: self.steps.len() + 1, system, zh, en, milliseconds, checks };
        if !self.json {
            say!("{:>2}. [{:<10}] {:>8.1} ms  {}", step.number, step.system, step.milliseconds, step.zh);
            say!("{:>29}{}", "", step.en);
            for check in &step.checks {
                let mark = if check.passed { "✓" } else { "✗ FAILED" };
                say!("{:>29}{mark} {}", "", check.check);
                say!("{:>31}$ {}", "", check.command);
                say!("{:>31}{}", "", check.said);
            }
        }
        self.steps.push(step);
    }

    async fn travel(&mut self, photo: Vec<u8>) -> Result<(), Failure> {
        // What a stranger trusts is there before the card; a disk without room is noticed before there is a case.
        pki_export::export(&self.country, &self.files).await?;
        let person = self.arrive().await?;
        let case = self.apply(&person, photo).await?;
        self.case = Some(case);
        self.produce(case).await?;
        let (serial, default_code) = self.collect(case).await?;
        self.serial = Some(serial);
        let pin2 = self.set_pins(serial, &default_code).await?;
        self.read_as_stranger(serial).await?;
        self.verify_certificates(serial).await?;
        self.sign(serial, &pin2).await?;
        self.suspend_resume_revoke(serial).await
    }

    // An invented person of age moves in.
    async fn arrive(&mut self) -> Result<Person, Failure> {
        let since = Instant::now();
        let now = clock::now();
        let today = RocDate::in_taipei(now);
        let seed = now.as_microsecond().unsigned_abs();
        let mut found = None;
        let fit = |person: &Person| {
            person.status == PersonStatus::Living && !person.guardianship && person.age_on(today) >= 20
        };
        for mut person in Population::new(seed, today).filter(fit).take(100) {
            // Every population gives out the same numbers; this person has one of those nobody has.
            let mut digits = [0; 9];
            self.country.random().fill(&mut digits);
            digits[0] = person.id.as_str().as_bytes()[0] - b'A';
            person.id = NationalIdNo::sample(person.sex, digits);
            if self.country.register.person(&person.id).await.map_err(Failure::from_system)?.is_none() {
                found = Some(person);
                break;
            }
        }
        let person = found.ok_or_else(|| Failure::ours("no invented person fits"))?;
        self.country
            .register
            .enrol(std::slice::from_ref(&person), now)
            .await
            .map_err(Failure::from_system)?;
        self.step(
            "registry",
            since,
            format!("{} 設籍", person.name.chinese()),
            format!("{} is entered in the household register", person.name.chinese()),
            Vec::new(),
        );
        Ok(person)
    }

    async fn apply(&mut self, person: &Person, photo: Vec<u8>) -> Result<CaseNo, Failure> {
        let since = Instant::now();
        let mgmt = &self.country.mgmt;
        let office = OfficeCode::new(person.address.village().district(), 0).map_err(Failure::ours)?;
        let size = photo.len();
        let application = NewApplication {
            id: person.id,
            kind: ApplicationKind::First,
            channel: Channel::Counter,
            photo_taken: photo_taken(&photo),
            photo,
            wants_certificate: true,
            foreign_name: false,
            portrait_exemption: None,
            office,
            contact: Contact::by_post(),
            // The developers' profile, so that every foreign program can be tried on this card.
            profile: CardProfile::Interop,
        };
        let case = mgmt.submit(application, CLERK, clock::now()).await.map_err(Failure::from_system)?;
        self.step(
            "mgmt",
            since,
            format!("受理申請 {case}，相片 {size} 位元組符合規格"),
            format!("application {case} taken in, photo of {size} bytes accepted"),
            Vec::new(),
        );
        let since = Instant::now();
        let mgmt = &self.country.mgmt;
        mgmt.review(case, Decision::Approve(mgmt::portrait::REVIEW), CLERK, clock::now())
            .await
            .map_err(Failure::from_system)?;
        mgmt.batch(1_000, CLERK, clock::now()).await.map_err(Failure::from_system)?;
        self.step(
            "mgmt",
            since,
            "審核通過，批次送製".into(),
            "reviewed, and sent to production in a batch".into(),
            Vec::new(),
        );
        Ok(case)
    }

    async fn produce(&mut self, case: CaseNo) -> Result<(), Failure> {
        let since = Instant::now();
        loop {
            // Where another process serves the country, its card centre makes the card.
            if self.serves {
                self.country.work_due(clock::now()).await?;
            }
            let summary = self.country.mgmt.case(case).await.map_err(Failure::from_system)?;
            match summary.state {
                ApplicationState::Produced | ApplicationState::Received | ApplicationState::Ready => break,
                _ if since.elapsed() > PATIENCE => {
                    return Err(Failure::new(
                        "NEWEID-E-PRODUCTION-STUCK",
                        Fault::Ours,
                        format!("案件 {case} 停在 {}。", summary.state.zh()),
                        format!("Case {case} stays `{}`.", summary.state.as_str()),
                        "NEWEID_LOG=info neweid demo",
                    ));
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        self.step(
            "production",
            since,
            "洗卡、晶片內產生 6 對金鑰、簽發 4 張憑證、簽署各區、SCP03 個人化、品管讀卡、裝箱出貨".into(),
            "key changeover, 6 key pairs made on the chip, 4 certificates, zones signed, personalised over SCP03, \
             read back by quality control, boxed and shipped"
                .into(),
            Vec::new(),
        );
        Ok(())
    }

    async fn collect(&mut self, case: CaseNo) -> Result<(CardSerial, UserCode), Failure> {
        let since = Instant::now();
        let mgmt = &self.country.mgmt;
        let now = clock::now();
        let office = mgmt.case(case).await.map_err(Failure::from_system)?.office;
        for (box_no, roster) in mgmt.expected_boxes(office).await.map_err(Failure::from_system)? {
            mgmt.receive_box(office, &box_no, &roster, CLERK, now).await.map_err(Failure::from_system)?;
        }
        mgmt.check_received(case, Inspection::Good, CLERK, now).await.map_err(Failure::from_system)?;
        let confirmation = mgmt.hand_over(case, CLERK, now).await.map_err(Failure::from_system)?;
        let serial = confirmation.serial;
        self.step(
            "mgmt",
            since,
            format!("戶所點收、檢查、通知，卡片 {serial} 當面交付"),
            format!("box received against its roster, card {serial} checked and handed over"),
            Vec::new(),
        );
        Ok((serial, confirmation.default_user_code))
    }

    async fn set_pins(&mut self, serial: CardSerial, default_code: &UserCode) -> Result<Pin2, Failure> {
        let since = Instant::now();
        let mgmt = &self.country.mgmt;
        let mut random = self.country.random();
        let mut draw = |count: usize| -> String {
            let mut bytes = vec![0; count];
            random.fill(&mut bytes);
            bytes.iter().map(|byte| char::from(b'0' + byte % 10)).collect()
        };
        let code: UserCode = format!("demo{}", draw(4)).parse().map_err(Failure::ours)?;
        let pin1: Pin1 = draw(6).parse().map_err(Failure::ours)?;
        let pin2: Pin2 = draw(8).parse().map_err(Failure::ours)?;
        mgmt.change_user_code(serial, default_code, &code, clock::now())
            .await
            .map_err(Failure::from_system)?;
        let channel = self.country.centre.reader(serial, Interface::Contact).map_err(Failure::from_system)?;
        mgmt.set_pins(serial, &code, &pin1, Some(&pin2), channel, clock::now())
            .await
            .map_err(Failure::from_system)?;
        self.step(
            "chip",
            since,
            "持卡人更換用戶代碼，設定 PIN1 與 PIN2".into(),
            "the holder changes the user code and sets PIN1 and PIN2".into(),
            Vec::new(),
        );
        Ok(pin2)
    }

    async fn read_as_stranger(&mut self, serial: CardSerial) -> Result<(), Failure> {
        let since = Instant::now();
        let trust = self.country.trust().await?;
        let chip = cards::open(&self.country.directory, serial)?;
        let report =
            tokio::task::spawn_blocking(move || cards::read(chip, Interface::Contactless, serial, &trust))
                .await
                .map_err(Failure::ours)?;
        for (name, bytes) in report.files() {
            write_atomically(&self.files.join(name), bytes)?;
        }
        write_atomically(&self.files.join("report.json"), report.to_json().as_bytes())?;
        let mut checks = vec![Verdict {
            check: "SAC/PACE、被動驗證、主動驗證 PACE, passive and active authentication".into(),
            command: "neweid read".into(),
            passed: report.verdict == terminal::Verdict::Verified,
            said: report
                .checks
                .iter()
                .map(|c| format!("{:?} {:?}", c.check, c.outcome))
                .collect::<Vec<_>>()
                .join(", "),
        }];
        if let Some(judge) = &self.judge {
            let sod = report.file("ef_sod.bin").unwrap_or_default();
            // EF.SOD is the CMS object inside tag 77 (ICAO 9303-10 §4.7.2).
            let cms = tlv::expect(sod, 0x77).map(|t| t.value.to_vec()).unwrap_or_default();
            write_atomically(&self.files.join("sod.cms"), &cms)?;
            checks.push(judge.cms(
                "安全物件 EF.SOD 由 CSCA 驗證 EF.SOD against the CSCA",
                "sod.cms",
                "csca.pem",
            ));
        }
        self.step(
            "terminal",
            since,
            format!("以讀取碼感應讀取公開區：{}", verdict_zh(report.verdict)),
            "a stranger reads the Public Zone with the card access number".into(),
            checks,
        );
        Ok(())
    }

    async fn verify_certificates(&mut self, serial: CardSerial) -> Result<(), Failure> {
        let since = Instant::now();
        for (name, pem) in pki_export::citizen(&self.country, serial).await? {
            write_atomically(&self.files.join(name), &pem)?;
        }
        let sign = format!("sample-citizen-{serial}-sign.pem");
        let mut checks = Vec::new();
        if let Some(judge) = &self.judge {
            for suffix in ["sign", "encrypt", "sign-ec", "encrypt-ec"] {
                let name = format!("sample-citizen-{serial}-{suffix}.pem");
                checks.push(judge.chain(
                    &format!("憑證鏈 chain of the {suffix} certificate"),
                    &name,
                    None,
                    true,
                ));
            }
            checks.push(judge.crl("廢止清冊簽章 signature of the CRL", "npc.crl", "npc-ca.pem"));
            checks.push(judge.chain("憑證鏈與 CRL chain with the CRL", &sign, Some("npc.crl"), true));
            checks.push(judge.ocsp("OCSP：有效 good", &sign, &self.ocsp_url, Status::Good));
        }
        self.step("npc", since, "憑證有效".into(), "the certificates are valid".into(), checks);
        Ok(())
    }

    async fn sign(&mut self, serial: CardSerial, pin2: &Pin2) -> Result<(), Failure> {
        let since = Instant::now();
        let document = format!("同意書 Consent, {serial}, {}\n", clock::now()).into_bytes();
        write_atomically(&self.files.join("document.txt"), &document)?;
        let chip = cards::open(&self.country.directory, serial)?;
        let pin2 = SecretBytes::from(pin2.expose().as_bytes().to_vec());
        let mut random = self.country.random();
        let signed = move || -> Result<(Vec<u8>, Vec<u8>), terminal::npc_card::NpcError> {
            let channel = chip::InProcessChannel::new(chip, Interface::Contact);
            let mut card = NpcCard::open(channel, &Password::can(serial.can().as_str()), &mut random)?;
            card.verify_pin2(&pin2)?;
            let rsa = card.sign_rsa(Hash::Sha256, &document)?;
            let ec = card.sign_ec(Hash::Sha512, &document)?.to_der();
            Ok((rsa, ec))
        };
        let (rsa, ec) =
            tokio::task::spawn_blocking(signed).await.map_err(Failure::ours)?.map_err(Failure::ours)?;
        write_atomically(&self.files.join("document.rsa"), &rsa)?;
        write_atomically(&self.files.join("document.ec"), &ec)?;
        let mut checks = Vec::new();
        if let Some(judge) = &self.judge {
            let certificate = |suffix: &str| format!("sample-citizen-{serial}-{suffix}.pem");
            let file = "document.txt";
            checks.push(judge.signature(
                "RSA-2048 簽章 signature",
                &certificate("sign"),
                "-sha256",
                "document.rsa",
                file,
            ));
            checks.push(judge.signature(
                "ECDSA P-521 簽章 signature",
                &certificate("sign-ec"),
                "-sha512",
                "document.ec",
                file,
            ));
        }
        self.step(
            "chip",
            since,
            "輸入 PIN2 簽署文件".into(),
            "the holder signs a document with PIN2".into(),
            checks,
        );
        Ok(())
    }

    async fn suspend_resume_revoke(&mut self, serial: CardSerial) -> Result<(), Failure> {
        let sign = format!("sample-citizen-{serial}-sign.pem");
        let mgmt = self.country.mgmt.clone();

        let since = Instant::now();
        mgmt.suspend_certificates(serial, "demo-holder", clock::now()).await.map_err(Failure::from_system)?;
        let checks = self.status(&sign, Status::Revoked, "停用 suspended").await?;
        self.step(
            "npc",
            since,
            "持卡人停用憑證".into(),
            "the holder suspends the certificates".into(),
            checks,
        );

        let since = Instant::now();
        mgmt.resume_certificates(serial, "demo-holder", clock::now()).await.map_err(Failure::from_system)?;
        let checks = self.status(&sign, Status::Good, "復用 resumed").await?;
        self.step("npc", since, "持卡人復用憑證".into(), "the holder resumes them".into(), checks);

        let since = Instant::now();
        mgmt.revoke_certificates(serial, RevocationReason::CessationOfOperation, CLERK, clock::now())
            .await
            .map_err(Failure::from_system)?;
        let checks = self.status(&sign, Status::Revoked, "廢止 revoked").await?;
        self.step(
            "npc",
            since,
            "憑證廢止，不可復原".into(),
            "the certificates are revoked for good".into(),
            checks,
        );
        Ok(())
    }

    // What the world sees now: OCSP, and the CRL as it is published.
    async fn status(&self, certificate: &str, expected: Status, what: &str) -> Result<Vec<Verdict>, Failure> {
        let Some(judge) = &self.judge else { return Ok(Vec::new()) };
        let url = self.crl_url.clone();
        let pem = std::fs::read_to_string(self.files.join(certificate))?;
        let der = x509::pem::decode("CERTIFICATE", &pem).map_err(Failure::ours)?;
        let subject = x509::Certificate::parse(&der).map_err(Failure::ours)?;
        // A country that runs in another process learns of the change a few milliseconds later.
        let begun = Instant::now();
        let list = loop {
            let url = url.clone();
            let list = tokio::task::spawn_blocking(move || crate::http::fetch(&url));
            let list = list.await.map_err(Failure::ours)??;
            let listed =
                x509::crl::Crl::parse(&list).map_err(Failure::ours)?.find(subject.serial_octets()).is_some();
            if listed == (expected != Status::Good) || begun.elapsed() > NOTICE {
                break list;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        write_atomically(&self.files.join("npc.crl"), &list)?;
        Ok(vec![
            judge.ocsp(&format!("OCSP：{what}"), certificate, &self.ocsp_url, expected),
            judge.chain(&format!("CRL：{what}"), certificate, Some("npc.crl"), expected == Status::Good),
        ])
    }

    fn finish(self) -> Result<bool, Failure> {
        let checks: Vec<&Verdict> = self.steps.iter().flat_map(|step| &step.checks).collect();
        let failed = checks.iter().filter(|check| !check.passed).count();
        let report = Report {
            passed: failed == 0,
            serial: self.serial.map(|serial| serial.to_string()),
            case: self.case.map(|case| case.to_string()),
            foreign_program: self.judge.as_ref().map(OpenSsl::version),
            checks: checks.len(),
            checks_failed: failed,
            seconds: self.started.elapsed().as_secs_f64(),
            files: self.files,
            steps: self.steps,
        };
        if self.json {
            say!("{}", serde_json::to_string_pretty(&report).map_err(Failure::ours)?);
        } else {
            print_end(&report);
        }
        Ok(report.passed)
    }
}

fn print_end(report: &Report) {
    let judge = report.foreign_program.as_deref().unwrap_or("(未安裝 openssl not installed)");
    say!(
        "\n{} {} 項檢查，{} 項失敗；{:.1} 秒。外部程式：{judge}",
        if report.passed { "全部通過。" } else { "有檢查未通過。" },
        report.checks,
        report.checks_failed,
        report.seconds
    );
    say!(
        "{} {} checks, {} failed; {:.1} s. Files: {}",
        if report.passed { "All passed." } else { "Something failed." },
        report.checks,
        report.checks_failed,
        report.seconds,
        display(&report.files)
    );
}

fn display(path: &Path) -> std::path::Display<'_> {
    path.display()
}

fn verdict_zh(verdict: terminal::Verdict) -> &'static str {
    match verdict {
        terminal::Verdict::Verified => "驗證通過",
        terminal::Verdict::Unproven => "無法完全驗證",
        terminal::Verdict::Refused => "不採信",
    }
}
