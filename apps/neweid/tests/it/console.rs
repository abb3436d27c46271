//! The operators' console as a browser sees it, and what it refuses.

use crate::books::{Books, wait};
use crate::support::{Answer, Country, Ran, Up, exchange, get, in_dir, neweid};
use std::path::Path;
use store::params;

const PASSWORD: &str = "Kx7!mountain-Rain";
const WRONG: &str = "Lz8?river-Stone-9";

/// One person at the console.
struct Browser {
    address: String,
    cookie: String,
}

impl Browser {
    /// Somebody who has set a password and signed in.
    fn of(up: &Up, name: &str) -> Self {
        enrol(up, name);
        let mut browser = Self { address: up.console(), cookie: String::new() };
        let answer = browser.sign_in(name, PASSWORD);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/console/")), "{answer:?}");
        browser
    }

    fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let answer = self.send("/console/sign-in", &[("name", name), ("password", password)], "");
        if let Some(cookie) = answer.header("set-cookie") {
            cookie.split(';').next().expect("a pair").clone_into(&mut self.cookie);
        }
        answer
    }

    fn get(&self, path: &str) -> Answer {
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
            self.address, self.cookie
        );
        exchange(&self.address, text.as_bytes()).expect("an answer")
    }

    fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        String::from_utf8(answer.body).expect("UTF-8")
    }

    /// The token that stands in the forms of this session.
    fn form_token(&self) -> String {
        let page = self.page("/console/password");
        let (_, rest) = page.split_once("name=\"form\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }

    fn send(&self, path: &str, fields: &[(&str, &str)], more: &str) -> Answer {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let body = body.join("&");
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n{more}Connection: close\r\n\r\n{body}",
            self.address,
            self.cookie,
            body.len()
        );
        exchange(&self.address, text.as_bytes()).expect("an answer")
    }

    /// A form of this session, with the password.
    fn act(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let all: Vec<_> = [("form", token.as_str()), ("password", PASSWORD)]
            .into_iter()
            .chain(fields.iter().copied())
            .collect();
        self.send(path, &all, "")
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn code(dir: &Path, name: &str) -> String {
    let printed = in_dir(dir, ["operator", "enrol", name, "--operator", "root"]).success();
    let line = printed.lines().find(|line| line.trim().len() == 23 && line.contains('-')).expect("a code");
    line.trim().to_owned()
}

fn enrol(up: &Up, name: &str) {
    let code = code(&up.dir, name);
    let nobody = Browser { address: up.console(), cookie: String::new() };
    let fields = [("name", name), ("code", &code), ("new", PASSWORD), ("again", PASSWORD)];
    let answer = nobody.send("/console/enrol", &fields, "");
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/console/sign-in?done=enrolled")),
        "{answer:?}"
    );
}

fn says(answer: &Answer, code: &str) -> bool {
    String::from_utf8_lossy(&answer.body).contains(code)
}

/// Every route behind the filter, as its table has it: whether it is a POST, its path, its right.
fn routes() -> Vec<(bool, String, String)> {
    let source = include_str!("../../src/web/console/mod.rs");
    let (_, table) = source.split_once("static ROUTES").expect("the table");
    let (table, _) = table.split_once("];").expect("its end");
    let mut found = Vec::new();
    for (kind, posts) in [("page(", false), ("act(", true)] {
        for rest in table.split(kind).skip(1) {
            let path = rest.split('"').nth(1).expect("a path").replace("{system}", "npc");
            let right = rest.split("Right::").nth(1).expect("a right");
            found.push((posts, path, right.chars().take_while(char::is_ascii_alphanumeric).collect()));
        }
    }
    assert!(found.len() >= 19, "{found:?}");
    found
}

/// Nobody sees anything; each role sees its pages and no other; a person without role sees none. What a role may do is the
/// table of docs/operations.md, which a test of the crate compares with the program.
// proves: SECURITY-06, SECURITY-15, SECURITY-L15, SECURITY-L16
#[test]
fn every_page_as_nobody_and_as_every_role() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let nobody = Browser { address: up.console(), cookie: String::new() };
    let forged = Browser { address: up.console(), cookie: format!("neweid-console={}", "ab".repeat(32)) };
    let routes = routes();
    for (posts, path, _) in &routes {
        for browser in [&nobody, &forged] {
            let answer = if *posts { browser.send(path, &[("form", "")], "") } else { browser.get(path) };
            assert_eq!((answer.status, answer.header("location")), (303, Some("/console/sign-in")), "{path}");
        }
    }
    let doc = include_str!("../../../../docs/operations.md");
    let allowed = |right: &str, column: usize| {
        let name: String = right
            .chars()
            .enumerate()
            .flat_map(|(n, c)| {
                let dash = (c.is_ascii_uppercase() && n > 0).then_some('-');
                dash.into_iter().chain([c.to_ascii_lowercase()])
            })
            .collect();
        let line = doc.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).expect("documented");
        line.split('|').nth(2 + column).expect("a cell").contains('✓')
    };
    let everybody = ["ca-anna", "ra-chen", "audit-lin", "card-wu", "line-tsai", "former-hsu"];
    for (column, name) in everybody.into_iter().enumerate() {
        let browser = Browser::of(&up, name);
        let token = browser.form_token();
        for (posts, path, right) in &routes {
            let may = name != "former-hsu" && allowed(right, column);
            if *posts {
                // With the token but without the password: whoever may comes as far as that.
                let answer = browser.send(path, &[("form", &token)], "");
                let expected = if may { "OPERATORS-REFUSED" } else { "NEWEID-E-CONSOLE-ROLE" };
                assert!(answer.status == 403 && says(&answer, expected), "{name} {path}: {answer:?}");
                if may {
                    // That was an attempt at the password; the right one begins the count anew.
                    let mut again = Browser { address: up.console(), cookie: String::new() };
                    assert_eq!(again.sign_in(name, PASSWORD).status, 303);
                }
                continue;
            }
            let answer = browser.get(path);
            if may {
                // A look-up without a number is told so.
                let expected = if path.ends_with("certificate") { 400 } else { 200 };
                assert_eq!(answer.status, expected, "{name} {path}");
            } else {
                assert!(
                    answer.status == 403 && says(&answer, "NEWEID-E-CONSOLE-ROLE"),
                    "{name} {path}: {answer:?}"
                );
            }
        }
    }
    // Refusals are in the log, under the account's name and the right's; the log holds no person.
    let mut auditor = Browser { address: up.console(), cookie: String::new() };
    assert_eq!(auditor.sign_in("audit-lin", PASSWORD).status, 303);
    let log = auditor.page("/console/audit/operators/export");
    assert!(
        log.contains("\"action\":\"access-refused\"") && log.contains("\"actor\":\"former-hsu\""),
        "{log}"
    );
    up.stop();
}

/// One proposes, another approves, and the CA refuses the first one whatever the page offers. Wrong passwords lock.
// proves: SECURITY-L24, SECURITY-L32, SECURITY-L42
#[test]
fn two_persons_suspend_a_cohort_and_an_auditor_follows_it() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let (anna, bert) = (Browser::of(&up, "ca-anna"), Browser::of(&up, "ca-bert"));
    let cohort =
        [("action", "suspend"), ("key_class", "RSA-2048"), ("reason", "unspecified"), ("carrier", "")];
    let nothing = anna.act("/console/incidents/propose", &[("action", "suspend")]);
    assert!(nothing.status == 409 && says(&nothing, "NPC-REQUEST"), "{nothing:?}");
    let proposed = anna.act("/console/incidents/propose", &cohort);
    assert_eq!(proposed.header("location"), Some("/console/incidents?done=proposed"), "{proposed:?}");
    // The page does not offer it to her, and the CA does not take it from her.
    assert!(!anna.page("/console/approvals").contains("action=\"/console/incidents/approve\""));
    let own = anna.act("/console/incidents/approve", &[("number", "1")]);
    assert!(own.status == 409 && says(&own, "NPC-SAME-PERSON"), "{own:?}");
    assert!(bert.page("/console/approvals").contains("action=\"/console/incidents/approve\""));
    // Not without the password, not without the token of his own session, not from elsewhere.
    let token = bert.form_token();
    let number = ("number", "1");
    let refused = bert.send("/console/incidents/approve", &[("form", &token), number], "");
    assert!(refused.status == 403 && says(&refused, "OPERATORS-REFUSED"), "{refused:?}");
    for other in [anna.form_token(), String::new()] {
        let refused =
            bert.send("/console/incidents/approve", &[("form", &other), ("password", PASSWORD), number], "");
        assert!(refused.status == 403 && says(&refused, "NEWEID-E-CONSOLE-FOREIGN"), "{refused:?}");
    }
    let fields = [("form", token.as_str()), ("password", PASSWORD), number];
    for more in
        ["Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n", "Origin: http://evil.test\r\n"]
    {
        let refused = bert.send("/console/incidents/approve", &fields, more);
        assert!(refused.status == 403 && says(&refused, "NEWEID-E-CONSOLE-FOREIGN"), "{more}: {refused:?}");
    }
    let approved = bert.act("/console/incidents/approve", &[number]);
    let there = approved.header("location").unwrap_or_default();
    assert!(there.starts_with("/console/incidents?done="), "{approved:?}");
    let begun = std::time::Instant::now();
    while !bert.page("/console/incidents").contains("✓ 完成") {
        assert!(begun.elapsed() < crate::support::PATIENCE, "never done");
        std::thread::yield_now();
    }
    // Cards that the card centre's books select: the form offers what the register has.
    let form = anna.page("/console/incidents");
    let types = in_dir(&up.dir, ["chip-type", "list", "--json"]).json();
    let maker = types[0]["manufacturer"].as_str().expect("a maker");
    assert!(form.contains(&format!("<option>{maker}</option>")), "{form}");
    let nobody = [("action", "resume"), ("of", "1"), ("lot", "XXX-000000")];
    let nobody = anna.act("/console/incidents/propose", &nobody);
    assert!(nobody.status == 409 && says(&nobody, "NPC-REQUEST"), "{nobody:?}");
    let unnamed = anna.act("/console/incidents/propose", &[("action", "resume"), ("manufacturer", maker)]);
    assert!(says(&unnamed, "NEWEID-E-INCIDENT"), "{unnamed:?}");
    let made = [("action", "resume"), ("of", "1"), ("manufacturer", maker), ("made_from", "2020-01-01")];
    assert_eq!(anna.act("/console/incidents/propose", &made).status, 303);
    let page = bert.page("/console/incidents");
    assert!(
        page.contains(&format!("製造商 manufacturer {maker}")) && page.contains("張卡片 cards"),
        "{page}"
    );
    // How far the reissue is that follows stands beside the incident.
    assert!(!bert.page("/console/incidents").contains("重發佇列"));
    let plan = up.dir.join("plan.json");
    std::fs::write(&plan, r#"{"classes":["courts","everybody"],"per_day":3}"#).expect("a plan");
    let plan = plan.to_str().expect("a path");
    in_dir(&up.dir, ["npc", "queue", "open", "1", "--plan", plan, "--operator", "ca-anna"]).success();
    let page = bert.page("/console/incidents");
    assert!(page.contains("重發佇列") && page.contains("courts"), "{page}");
    // One of the suspended certificates, looked up.
    let page = bert.page("/console/issuance");
    let serials: Vec<&str> =
        page.split("certificate?serial=").skip(1).filter_map(|r| r.split('"').next()).collect();
    assert!(serials.len() >= 4);
    let states: Vec<String> =
        serials.iter().map(|s| bert.page(&format!("/console/certificate?serial={s}"))).collect();
    assert!(states.iter().any(|page| page.contains("suspended (incident)")), "{}", states[0]);

    // Three wrong passwords end what he has open.
    let mut thief = Browser { address: up.console(), cookie: String::new() };
    for _ in 0..3 {
        let refused = thief.sign_in("ca-bert", WRONG);
        assert!(refused.status == 403 && refused.header("set-cookie").is_none(), "{refused:?}");
    }
    assert_eq!(thief.sign_in("ca-bert", PASSWORD).status, 403);
    assert_eq!(bert.get("/console/").status, 303);
    // The session before signing in again is not the one after.
    let mut again = Browser { address: up.console(), cookie: String::new() };
    assert_eq!(again.sign_in("ca-anna", PASSWORD).status, 303);
    assert_ne!(again.cookie, anna.cookie);
    let out = again.send("/console/sign-out", &[("form", &again.form_token())], "");
    assert_eq!(out.status, 303);
    assert_eq!(again.get("/console/").status, 303);

    let auditor = Browser::of(&up, "audit-lin");
    let log = auditor.page("/console/audit/npc/export");
    assert!(log.contains("incident-propose") && log.contains("\"actor\":\"ca-bert\""));
    for system in ["npc", "docsigner", "eacpki", "production", "mgmt", "operators"] {
        let page = auditor.page(&format!("/console/audit/{system}/verify"));
        assert!(page.contains("首尾相連"), "{system}");
    }
    let log = auditor.page("/console/audit/operators/export");
    for action in ["sign-in-locked", "certificate-look-up", "sign-out", "audit-verify"] {
        assert!(log.contains(&format!("\"action\":\"{action}\"")), "{action}");
    }
    assert!(!log.contains(PASSWORD) && !log.contains(WRONG));
    up.stop();
}

/// Judgements of chip types, and the switch that stops issuing.
#[test]
fn card_centre_and_ca_do_their_parts() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let (wu, yang) = (Browser::of(&up, "card-wu"), Browser::of(&up, "card-yang"));
    let page = wu.page("/console/chip-types");
    // The register as it stands: makers, versions, certificates, answers to reset.
    let types = in_dir(&up.dir, ["chip-type", "list", "--json"]).json();
    for chip in types.as_array().expect("a list") {
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        for field in ["manufacturer", "chip", "operating_system", "atr", "ats"] {
            assert!(page.contains(&text(&chip[field])), "{field} of {chip}");
        }
        for applet in chip["applets"].as_array().expect("a list") {
            let named = format!("{} {}", text(&applet["name"]), text(&applet["version"]));
            assert!(page.contains(&named), "{named}");
        }
        let patchable = if chip["patchable"] == true { "<dd>可 " } else { "<dd>否 " };
        assert!(page.contains(patchable), "{chip}");
        let rates: Vec<String> = chip["hardware"]["bit_rates"]
            .as_array()
            .expect("rates")
            .iter()
            .map(ToString::to_string)
            .collect();
        let contactless =
            format!("Type {}，{} kbit/s", text(&chip["hardware"]["contactless"]), rates.join(", "));
        assert!(page.contains(&contactless), "{contactless}");
        assert!(page.contains(&format!("<dd>{}</dd>", chip["hardware"]["endurance"])), "{chip}");
        for certificate in chip["certificates"].as_array().expect("a list") {
            assert!(page.contains(&text(&certificate["reference"])), "{certificate}");
        }
    }
    let name =
        page.split("<option>").nth(1).and_then(|rest| rest.split('<').next()).expect("a type").to_owned();
    let fields = [("name", name.as_str()), ("risk", "watch"), ("reason", "report 7 <b>")];
    let proposed = wu.act("/console/chip-types/propose", &fields);
    assert_eq!(proposed.header("location"), Some("/console/chip-types?done=proposed"), "{proposed:?}");
    assert_eq!(wu.act("/console/chip-types/approve", &[("number", "1")]).status, 409);
    assert_eq!(yang.act("/console/chip-types/approve", &[("number", "1")]).status, 303);
    let page = yang.page("/console/chip-types");
    assert!(page.contains("report 7 &#60;b&#62;") && !page.contains("<b>"), "{page}");
    // Key risk (CARD-12): in a new country nothing is overdue; one enters an assessment, another approves it.
    let overdue = |name: &str| {
        let text = String::from_utf8(get(&up.console(), "/metrics").body).expect("UTF-8");
        let name = format!("neweid_key_assessments_overdue{{chip_type=\"{name}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.expect("the figure").to_owned()
    };
    assert!(page.contains("RSA-2048：尚未評估") && page.contains("尚無晶片"), "{page}");
    assert_eq!(overdue(&name), "0");
    let fields = [
        ("name", name.as_str()),
        ("algorithm", "RSA-2048"),
        ("result", "normal"),
        ("findings", "paper 9 <i>"),
    ];
    assert_eq!(wu.act("/console/chip-types/assess", &fields).status, 303);
    assert!(yang.page("/console/approvals").contains("/console/chip-types/approve-assessment"));
    assert_eq!(wu.act("/console/chip-types/approve-assessment", &[("number", "1")]).status, 409);
    let never = || yang.page("/console/chip-types").matches("RSA-2048：尚未評估").count();
    assert_eq!(never(), 2, "of both types");
    assert_eq!(yang.act("/console/chip-types/approve-assessment", &[("number", "1")]).status, 303);
    assert_eq!((overdue(&name).as_str(), never()), ("0", 1));
    let page = yang.page("/console/chip-types");
    assert!(page.contains("paper 9 &#60;i&#62;") && page.contains("RSA-2048：正常"), "{page}");
    let anna = Browser::of(&up, "ca-anna");
    let metric = |name: &str| {
        let text = String::from_utf8(get(&up.console(), "/metrics").body).expect("UTF-8");
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    assert_eq!(metric("neweid_issuing_stopped "), "neweid_issuing_stopped 0");
    assert_eq!(anna.act("/console/authority/issuing", &[("switch", "stop")]).status, 303);
    assert!(anna.page("/console/authority").contains("✗ 已暫停"));
    assert_eq!(metric("neweid_issuing_stopped "), "neweid_issuing_stopped 1");
    assert_eq!(anna.act("/console/authority/issuing", &[("switch", "start")]).status, 303);
    assert_eq!(metric("neweid_issuing_stopped "), "neweid_issuing_stopped 0");
    assert_eq!(anna.act("/console/authority/repository", &[("switch", "close")]).status, 303);
    assert!(
        anna.page("/console/authority").contains("✗ 已關閉") && anna.page("/console/").contains("儲存庫")
    );
    assert_eq!(metric("neweid_repository_closed "), "neweid_repository_closed 1");
    assert_eq!(get(&up.status(), "/repository/serial/0102").status, 503);
    let closed =
        Ran::of(neweid().args(["npc", "repository", "open", "--operator", "ca-bert", "--dir"]).arg(&up.dir));
    closed.success();
    assert!(!anna.page("/console/authority").contains("✗ 已關閉"));
    assert_eq!(get(&up.status(), "/repository/serial/0102").status, 404);
    // What is decided about the CA's keys is approved here by another person, and done elsewhere.
    let script = ["ceremony", "propose", "generation", "--key", "p-384", "--operator", "ca-anna"];
    in_dir(&up.dir, script).success();
    assert!(!anna.page("/console/ceremonies").contains("action=\"/console/ceremonies/approve\""));
    let own = anna.act("/console/ceremonies/approve", &[("number", "1")]);
    assert!(own.status == 409 && says(&own, "NPC-SAME-PERSON"), "{own:?}");
    let bert = Browser::of(&up, "ca-bert");
    assert!(bert.page("/console/approvals").contains("action=\"/console/ceremonies/approve\""));
    let approved = bert.act("/console/ceremonies/approve", &[("number", "1")]);
    assert_eq!(approved.header("location"), Some("/console/ceremonies?done=scripted"), "{approved:?}");
    let page = bert.page("/console/ceremonies");
    assert!(page.contains("ca-anna") && page.contains("△ 執行中"), "{page}");
    // So is who may ask for certificates; any end entity's certificate will do here.
    let certificate = country.beside("ra.cer");
    std::fs::write(&certificate, get(&up.status(), "/certs/npc-tsa.cer").body).expect("written");
    let ra = |verb: &str, what: &str, more: &[&std::ffi::OsStr]| {
        let mut command = neweid();
        Ran::of(command.args(["npc", "ra", verb, what, "--dir"]).arg(&up.dir).args(more))
    };
    let with = ["--certificate".as_ref(), certificate.as_os_str(), "--operator".as_ref(), "ca-anna".as_ref()];
    let said = ra("propose", "taipei-counter", &with).success();
    assert!(said.contains("neweid npc ra approve 1 --operator NAME"), "{said}");
    ra("approve", "1", &["--operator".as_ref(), "ca-anna".as_ref()]).fails(1, "NPC-SAME-PERSON");
    let listed = || in_dir(&up.dir, ["npc", "ra", "list", "--json"]).json();
    assert_eq!(listed(), serde_json::json!([]));
    let open = in_dir(&up.dir, ["npc", "ra", "proposals", "--json"]).json();
    let fingerprint = open[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let action = "action=\"/console/approvals/registration-authority\"";
    assert!(!anna.page("/console/approvals").contains(action));
    let page = bert.page("/console/approvals");
    assert!(page.contains(action) && page.contains(&fingerprint), "{page}");
    let own = anna.act("/console/approvals/registration-authority", &[("number", "1")]);
    assert!(own.status == 409 && says(&own, "NPC-SAME-PERSON"), "{own:?}");
    let approved = bert.act("/console/approvals/registration-authority", &[("number", "1")]);
    assert_eq!(approved.header("location"), Some("/console/approvals?done=approved"), "{approved:?}");
    assert_eq!(listed()[0]["fingerprint"].as_str(), Some(fingerprint.as_str()));
    assert!(!bert.page("/console/approvals").contains(action));
    // Another certificate is another proposal, which two persons may decide on the command line too.
    ra("propose", "taipei-counter", &with).success();
    let said = ra("approve", "2", &["--operator".as_ref(), "ca-bert".as_ref()]).success();
    assert!(said.contains("taipei-counter") && said.contains(&fingerprint), "{said}");
    assert!(metric("neweid_certificates_issued_total{").contains("carrier=\"new-eid\""));
    assert!(metric("neweid_published_age_seconds{name=\"npc.crl\"}").ends_with(char::is_numeric));
    assert_eq!(get(&up.status(), "/crl/npc.crl").status, 200);
    metric("neweid_answers_total{service=\"crl\",kind=\"ok\"}");
    // A queue has a line of its own only while something is in it.
    metric("# TYPE neweid_queue_dead gauge");
    up.stop();
}

/// What protects the pages beside signing in: headers, host names, sizes; and what is nowhere but here.
// proves: SECURITY-26, SECURITY-28, SECURITY-L33, SECURITY-L40, SECURITY-L46
#[test]
fn the_listener_is_this_machine_s_alone() {
    let country = Country::new();
    let up = Up::spawn(&country.dir(), &["--listen", "0.0.0.0"]).ready();
    let answer = get(&up.console(), "/console/sign-in");
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let page = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(page.contains("<html lang=\"zh-Hant\">") && !page.contains("<script"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
    // A name of somebody else's for this machine.
    let ask = |host: &str| {
        let text = format!("GET /console/sign-in HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(&up.console(), text.as_bytes()).expect("an answer").status
    };
    assert_eq!((ask("localhost:1"), ask("127.0.0.1:9"), ask("[::1]:7")), (200, 200, 200));
    assert_eq!((ask("evil.test"), ask("127.0.0.1.evil.test:80"), ask("10.0.0.1")), (403, 403, 403));
    // Neither the console nor the figures are on the public listeners.
    for address in [up.web(), up.status()] {
        for path in ["/metrics", "/console/", "/console/sign-in"] {
            assert_eq!(get(&address, path).status, 404, "{address}{path}");
        }
    }
    // Listening everywhere, the console still listens on loopback alone.
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("readable");
    let here = |port: u16| {
        let wanted = format!(":{port:04X}");
        let mut lines = sockets.lines().filter_map(|line| line.split_whitespace().nth(1));
        lines.find(|local| local.ends_with(&wanted)).map(str::to_owned).expect("listening")
    };
    assert!(here(up.port).starts_with("00000000:"));
    assert!(here(up.port + 2).starts_with("0100007F:"));
    let mut anna = Browser::of(&up, "ca-anna");
    let again = anna.sign_in("ca-anna", PASSWORD);
    let cookie = again.header("set-cookie").expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/console"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    // Too large, malformed, and odd numbers: refused, never broken.
    let large = "x".repeat(20_000);
    assert!(matches!(anna.send("/console/sign-in", &[("name", &large)], "").status, 400 | 413));
    for path in [
        "/console/certificate?serial=%00",
        "/console/certificate?serial=zz",
        "/console/certificate",
        "/console/certificate?serial=1%27%20OR%201=1",
    ] {
        assert_eq!(anna.get(path).status, 400, "{path}");
    }
    assert_eq!(anna.act("/console/incidents/approve", &[("number", "-1")]).status, 409);
    assert_eq!(anna.act("/console/incidents/approve", &[("number", "18446744073709551615")]).status, 409);
    assert_eq!(anna.get("/console/nothing").status, 404);
    up.stop();
}

#[test]
fn operators_are_kept_on_the_command_line() {
    let country = Country::new();
    let dir = country.dir();
    let list = in_dir(&dir, ["operator", "list", "--json"]).json();
    assert_eq!(list.as_array().map(Vec::len), Some(8));
    assert!(list.as_array().expect("a list").iter().all(|o| o["enrolled"] == false && o["enabled"] == true));
    in_dir(&dir, ["operator", "add", "ra-new", "--role", "ra-officer", "--operator", "root"]).success();
    in_dir(&dir, ["operator", "add", "ra-new", "--role", "ra-officer", "--operator", "root"])
        .fails(1, "OPERATORS-EXISTS");
    in_dir(&dir, ["operator", "add", "A B", "--role", "ra-officer", "--operator", "root"])
        .fails(1, "OPERATORS-NAME");
    in_dir(&dir, ["operator", "role", "ra-new", "king", "--operator", "root"]).fails(2, "NEWEID-E-ROLE");
    in_dir(&dir, ["operator", "role", "ra-new", "none", "--operator", "root"]).success();
    in_dir(&dir, ["operator", "disable", "ra-new", "--operator", "root"]).success();
    in_dir(&dir, ["operator", "enrol", "ra-new", "--operator", "root"]).fails(1, "OPERATORS-UNKNOWN");
    in_dir(&dir, ["operator", "enable", "ra-new", "--operator", "root"]).success();
    assert_eq!(code(&dir, "ra-new").len(), 23);
    // No password and no code is taken from the command line.
    let text = in_dir(&dir, ["operator", "list"]).success();
    assert!(text.contains("ra-new") && text.contains("無角色"), "{text}");
    // Gone is gone: no empty list in its place.
    std::fs::remove_file(dir.join("db/operators.sqlite")).expect("removed");
    in_dir(&dir, ["operator", "list"]).fails(1, "NEWEID-E-FILE-MISSING");
}

/// Whatever system a proposal belongs to, it waits here for the second person: also the policy and recalls, which are proposed
/// elsewhere.
#[test]
fn a_policy_and_a_recall_wait_for_the_second_person() {
    let country = Country::new();
    let up = Up::start(&country.dir());
    let (anna, bert) = (Browser::of(&up, "ca-anna"), Browser::of(&up, "ca-bert"));
    let (wu, audit) = (Browser::of(&up, "card-wu"), Browser::of(&up, "audit-lin"));
    assert!(bert.page("/console/approvals").contains("沒有待核可的提案"));
    let policy = country.beside("policy.json");
    std::fs::write(&policy, in_dir(&up.dir, ["npc", "policy", "show"]).success()).expect("written");
    let file = policy.display().to_string();
    in_dir(&up.dir, ["npc", "policy", "propose", &file, "--operator", "ca-anna"]).success();
    let types = in_dir(&up.dir, ["chip-type", "list", "--json"]).json();
    let chip = types[0]["name"].as_str().expect("a name").to_owned();
    let mut recall =
        vec![("chip_type", chip.as_str()), ("level", "scheduled"), ("treatment", "new-card"), ("why", "")];
    let path = "/console/incidents/recall";
    assert!(says(&anna.act(path, &recall), "MGMT-E-RECALL-EMPTY"), "no reason");
    assert!(says(&anna.act(path, &[("why", "x"), ("level", "soon")]), "NEWEID-E-CONSOLE-FORM"));
    assert_eq!(wu.act(path, &recall).status, 403);
    recall[3].1 = "drill <b>";
    let proposed = anna.act(path, &recall);
    assert_eq!(proposed.header("location"), Some("/console/incidents?done=proposed"), "{proposed:?}");
    // The cards it concerns are looked at before anybody approves it.
    let page = bert.page("/console/incidents");
    let cards = in_dir(&up.dir, ["recall", "cards", "1", "--json"]).json();
    let cards = cards.as_array().expect("a list");
    assert!(!cards.is_empty());
    for card in cards.iter().take(20) {
        let serial = card["serial"].as_str().expect("a serial");
        assert!(page.contains(&format!("<th scope=\"row\">{serial}</th>")), "{serial}: {page}");
    }
    let (to_policy, to_recall) =
        ("action=\"/console/approvals/policy\"", "action=\"/console/approvals/recall\"");
    // Shown to whoever may see them, offered to the second person alone.
    for browser in [&anna, &bert, &audit] {
        let page = browser.page("/console/approvals");
        assert!(
            page.contains("憑證政策第 2 版") && page.contains(&format!("晶片型別 chip type {chip}")),
            "{page}"
        );
        assert!(page.contains("drill &#60;b&#62;") && !page.contains("<b>"), "{page}");
        let offered = page.contains(to_policy) && page.contains(to_recall);
        assert_eq!(offered, std::ptr::eq(browser, &bert), "{page}");
    }
    let page = wu.page("/console/approvals");
    assert!(!page.contains("憑證政策") && page.contains(&chip) && !page.contains(to_recall), "{page}");
    for path in ["/console/approvals/policy", "/console/approvals/recall"] {
        let number = if path.ends_with("policy") { "2" } else { "1" };
        let own = anna.act(path, &[("number", number)]);
        let refused = ["NPC-SAME-PERSON", "MGMT-E-RECALL-APPROVAL"].iter().any(|code| says(&own, code));
        assert!(own.status == 409 && refused, "{own:?}");
        // The heading of a refusal is for readers of Chinese.
        let text = String::from_utf8_lossy(&own.body).into_owned();
        let (_, heading) = text.split_once("role=\"alert\">\n<h2>").expect("a heading");
        assert!(heading.starts_with(|c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c)), "{text}");
        let done = bert.act(path, &[("number", number)]);
        assert_eq!(done.header("location"), Some("/console/approvals?done=approved"), "{done:?}");
    }
    assert!(bert.page("/console/approvals").contains("沒有待核可的提案"));
    assert_eq!(in_dir(&up.dir, ["npc", "policy", "list", "--json"]).json()[0]["in_force"], true);
    assert_eq!(in_dir(&up.dir, ["recall", "list", "--json"]).json()[0]["approved_by"], "ca-bert");

    // So does the revocation of its certificates, with what it would do; whoever has looked at one proposal approves no other.
    let revoke = |reason: &str, operator: &str| {
        in_dir(&up.dir, ["recall", "revoke", "1", "--reason", reason, "--operator", operator, "--json"])
            .json()
    };
    let first = revoke("superseded", "ca-anna");
    let (path, number) = ("/console/approvals/recall-revocation", [("number", "1.1")]);
    let waiting = first["waiting"].as_u64().expect("a number");
    assert!(waiting > 3 && first["number"] == "1.1", "{first}");
    for browser in [&anna, &bert, &audit] {
        let page = browser.page("/console/approvals");
        let said = page.contains("原因 superseded") && page.contains(&format!("({waiting} cards wait)"));
        assert!(said && page.contains("<strong>ca-anna</strong>"), "{page}");
        assert_eq!(page.contains(path), std::ptr::eq(browser, &bert), "{page}");
    }
    let listed = in_dir(&up.dir, ["recall", "list"]).success();
    assert!(listed.contains("1.1 廢止憑證") && listed.contains("superseded（ca-anna"), "{listed}");
    assert!(says(&anna.act(path, &number), "MGMT-E-RECALL-APPROVAL"));
    assert_eq!(wu.act(path, &number).status, 403);
    assert_eq!(revoke("key_compromise", "ca-bert")["number"], "1.2");
    assert!(says(&bert.act(path, &number), "MGMT-E-RECALL-REPLACED"));
    let done = anna.act(path, &[("number", "1.2")]);
    assert_eq!(done.header("location"), Some("/console/approvals?done=approved"), "{done:?}");
    let listed = in_dir(&up.dir, ["recall", "list", "--json"]).json();
    let revocation = &listed[0]["certificates_revocation"];
    assert_eq!(
        (&revocation["reason"], &revocation["approved_by"]),
        (&"key_compromise".into(), &"ca-anna".into())
    );

    // What nobody has approved within a week waits for nobody, and says so where it stands.
    assert_eq!(anna.act("/console/incidents/recall", &recall).status, 303);
    let propose =
        ["chip-type", "propose", &chip, "--risk", "watch", "--reason", "drill", "--operator", "card-wu"];
    in_dir(&up.dir, propose).success();
    let open = bert.page("/console/approvals") + &wu.page("/console/approvals");
    assert!(open.contains("action=\"/console/approvals/recall\""), "{open}");
    for (system, sql) in [
        ("mgmt", "UPDATE recall SET proposed_at = $1 WHERE number = 2"),
        ("production", "UPDATE chip_risk_proposal SET proposed_at = $1 WHERE number = 1"),
    ] {
        wait(async {
            let db = Books::of(&up.dir).db(system).await;
            let week_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(7 * 24);
            assert_eq!(db.execute(sql, params![week_ago]).await.expect("set back"), 1);
            db.close().await;
        });
    }
    for browser in [&bert, &wu] {
        assert!(browser.page("/console/approvals").contains("沒有待核可的提案"));
    }
    for page in [bert.page("/console/incidents"), wu.page("/console/chip-types")] {
        assert!(page.contains("逾七日未經核可，提案失效"), "{page}");
    }
    let late = bert.act("/console/approvals/recall", &[("number", "2")]);
    assert!(late.status == 409 && says(&late, "MGMT-E-RECALL-LAPSED"), "{late:?}");
    up.stop();
}

/// The hotline has a page of its own and an operator who has no other: right answers suspend the card of whoever is named, at
/// whatever hour this runs; wrong ones are refused in words that tell nothing. On the command line the same account takes a call, and
/// neither does it anything else nor anybody else that.
// proves: LOSS-05
#[test]
fn the_hotline_has_a_page_and_nothing_else() {
    let country = Country::new();
    let dir = country.dir();
    let up = Up::start(&dir);
    let cards = crate::support::cards(&dir);
    let serial =
        crate::support::card_of(&cards, "active_national")["serial"].as_str().expect("text").to_owned();
    let samples = registry::sample_persons();
    let who = &samples.iter().find(|one| one.persona == "active_national").expect("a sample").person;
    let district = who.address.village().district().to_string();
    let mark = || in_dir(&dir, ["register", "show", "--of", &serial, "--json"]).json()["card_mark"].clone();
    let line = Browser::of(&up, "line-tsai");
    let page = line.page("/console/hotline");
    assert!(
        page.contains("action=\"/console/hotline/report\"") && !page.contains("/console/incidents"),
        "{page}"
    );
    let birth = who.birth.iso();
    let report = |birth: &str, more: &[(&str, &str)]| {
        let said = [("number", who.id.as_str()), ("birth", birth), ("district", district.as_str())];
        line.act("/console/hotline/report", &[&said[..], more].concat())
    };
    for (answer, status, code) in [
        (report("1900-01-01", &[]), 409, "RA-E-CALLER"),
        (report(&birth, &[("representative", "張三")]), 409, "RA-E-CALLER"),
        (report("soon", &[]), 409, "NEWEID-E-CONSOLE-FORM"),
    ] {
        assert!(answer.status == status && says(&answer, code), "{code}: {answer:?}");
        assert!(!says(&answer, who.name.chinese()) && !says(&answer, who.id.as_str()));
    }
    assert_eq!(mark(), "in-force");
    let answer = report(&birth, &[]);
    assert!(answer.status == 200 && says(&answer, "RA-0"), "{answer:?}");
    assert!(!says(&answer, who.name.chinese()) && !says(&answer, &serial));
    assert_eq!(mark(), "lost");
    let card = crate::support::card_of(&crate::support::cards(&dir), "active_national").clone();
    assert_eq!(card["state"], "suspended", "{card}");

    // The second card of the country, by command.
    let who = &samples.iter().find(|one| one.persona == "active_interop").expect("a sample").person;
    let other =
        crate::support::card_of(&cards, "active_interop")["serial"].as_str().expect("text").to_owned();
    let said = country.beside("answers.json");
    let district = who.address.village().district().to_string();
    let document =
        serde_json::json!({ "number": who.id.as_str(), "birth": who.birth.iso(), "district": district });
    std::fs::write(&said, document.to_string()).expect("written");
    let said = said.to_str().expect("a path");
    let call = |operator: &str, called: &str| {
        let by = ["ra", "loss", "--serial", &other, "--operator", operator, "--called", called];
        Ran::of(neweid().args(by).args(["--answers", said, "--json", "--dir"]).arg(&dir))
    };
    for (operator, called) in [
        ("ra-chen", "hotline"),
        ("nobody-1", "hotline"),
        ("former-hsu", "hotline"),
        ("line-tsai", "telephone"),
    ] {
        call(operator, called).fails_in_json(1, "NEWEID-E-HOTLINE");
    }
    let clerk = ["--clerk", "line-tsai", "--office", "6300001000", "--case", "C11500000001", "--json"];
    let suspended =
        Ran::of(neweid().args(["ra", "suspend", "--serial", &other]).args(clerk).arg("--dir").arg(&dir));
    suspended.fails_in_json(1, "NEWEID-E-HOTLINE");
    assert!(call("line-tsai", "hotline").json()["receipt"].as_str().expect("text").starts_with("RA-"));
    up.stop();
}
