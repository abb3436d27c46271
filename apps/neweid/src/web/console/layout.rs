//! What every page of the console has around it, and how times and numbers are written.

use super::Route;
use crate::clock;
pub use crate::clock::taipei;
use crate::failure::{Failure, Fault};
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use operators::{Right, Session};

/// The frame of a page.
pub struct Frame {
    pub zh: &'static str,
    pub en: &'static str,
    pub operator: String,
    pub role_zh: &'static str,
    pub role: &'static str,
    pub links: Vec<Link>,
    pub form_token: String,
    pub notice: Option<(&'static str, &'static str)>,
    pub signed_in: bool,
    pub now: String,
    pub ends: String,
}

/// A link of the navigation.
pub struct Link {
    pub path: &'static str,
    pub zh: &'static str,
    pub en: &'static str,
    pub here: bool,
}

/// The pages of the navigation, in their order.
const PAGES: [(&str, &str, &str, Right); 11] = [
    ("/console/", "總覽", "Overview", Right::Enter),
    ("/console/authority", "憑證機構", "CA", Right::SeeAuthority),
    ("/console/ceremonies", "金鑰典禮", "Ceremonies", Right::SeeAuthority),
    ("/console/issuance", "簽發", "Issuance", Right::SeeIssuance),
    ("/console/status", "狀態服務", "Status services", Right::SeeStatus),
    ("/console/incidents", "事件", "Incidents", Right::SeeIncidents),
    ("/console/approvals", "待核可", "Approvals", Right::SeeApprovals),
    ("/console/chip-types", "晶片型別", "Chip types", Right::SeeChipTypes),
    ("/console/hotline", "1996 專線", "Hotline 1996", Right::SeeHotline),
    ("/console/audit", "稽核紀錄", "Audit", Right::SeeAudit),
    ("/console/operators", "操作者", "Operators", Right::SeeOperators),
];

impl Frame {
    /// The frame of one page for one operator.
    pub fn new(session: &Session, path: &str) -> Self {
        let found = PAGES.iter().find(|page| page.0 == path);
        let (zh, en) = found.map_or(("", ""), |page| (page.1, page.2));
        let allowed = PAGES.iter().filter(|page| session.may(page.3));
        Self {
            zh,
            en,
            operator: session.name.clone(),
            role_zh: session.role.map_or("無角色", operators::Role::zh),
            role: session.role.map_or("no role", operators::Role::as_str),
            links: allowed.map(|p| Link { path: p.0, zh: p.1, en: p.2, here: p.0 == path }).collect(),
            form_token: session.form_token.clone(),
            notice: None,
            signed_in: true,
            now: taipei(clock::now()),
            ends: taipei(session.ends_at),
        }
    }

    /// The frame of a page for everybody.
    pub fn open(zh: &'static str, en: &'static str) -> Self {
        Self {
            zh,
            en,
            operator: String::new(),
            role_zh: "",
            role: "",
            links: Vec::new(),
            form_token: String::new(),
            notice: None,
            signed_in: false,
            now: taipei(clock::now()),
            ends: String::new(),
        }
    }

    /// With another title.
    pub fn titled(mut self, zh: &'static str, en: &'static str) -> Self {
        (self.zh, self.en) = (zh, en);
        self
    }

    /// With a word about what was just done.
    pub fn noticed(mut self, query: &Query) -> Self {
        self.notice = NOTICES.iter().find(|n| Some(n.0) == query.done.as_deref()).map(|n| (n.1, n.2));
        self
    }
}

/// What stands behind the question mark of an address.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub struct Query {
    pub done: Option<String>,
}

/// What was done, by the word in the address.
const NOTICES: [(&str, &str, &str); 12] = [
    (
        "proposed",
        "已提案；另一人核可後才會執行。",
        "Proposed. Nothing happens until another person approves it.",
    ),
    ("approved", "已核可並執行。", "Approved and done."),
    (
        "scripted",
        "已核可；由操作員與見證人以 neweid ceremony run 執行。",
        "Approved. An operator and a witness carry it out: neweid ceremony run.",
    ),
    ("running", "已核可，執行中；重新整理可看進度。", "Approved and under way; reload to see how far it is."),
    ("stopped", "已暫停簽發。", "Issuing is stopped."),
    ("started", "已恢復簽發。", "Issuing goes on."),
    ("repository-closed", "已關閉儲存庫。", "The repository is closed."),
    ("repository-open", "已開放儲存庫。", "The repository is open."),
    ("password", "密碼已變更，請重新登入。", "The password was changed; sign in again."),
    ("enrolled", "密碼已設定，請登入。", "The password is set; sign in."),
    ("signed-out", "已登出。", "You have signed out."),
    ("ended", "閒置過久，請重新登入。", "The session has ended; sign in again."),
];

#[derive(Template)]
#[template(path = "console/problem.html")]
struct Problem<'a> {
    frame: Frame,
    failure: &'a Failure,
    fault_zh: &'static str,
    fault_en: &'static str,
}

/// A page that says what is wrong, whose fault it is and what to do.
pub fn problem(status: StatusCode, failure: &Failure, session: Option<&Session>) -> Response {
    let frame = session.map_or_else(|| Frame::open("", ""), |session| Frame::new(session, ""));
    let (fault_zh, fault_en) = match failure.fault {
        Fault::Caller => ("要求本身", "the request"),
        Fault::Environment => ("執行環境", "the environment"),
        Fault::Peer => ("對方系統", "another system"),
        Fault::Ours => ("本系統", "this system"),
    };
    let frame = frame.titled("無法完成", "Not done");
    let page = Problem { frame, failure, fault_zh, fault_en };
    match page.render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// How far away a moment is, in the largest unit that says something.
pub fn distance(from: Timestamp, to: Timestamp) -> (String, String) {
    let (early, late) = if from <= to { (from, to) } else { (to, from) };
    let span = late.duration_since(early);
    let (hours, minutes) = (span.as_hours(), span.as_mins());
    match () {
        () if hours >= 48 => (format!("{} 天", hours / 24), format!("{} days", hours / 24)),
        () if hours >= 2 => (format!("{hours} 小時"), format!("{hours} hours")),
        () if minutes >= 2 => (format!("{minutes} 分鐘"), format!("{minutes} minutes")),
        () => (format!("{} 秒", span.as_secs()), format!("{} seconds", span.as_secs())),
    }
}

/// How near the end of something is, told by a word and a sign, never by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Good,
    Soon,
    Over,
}

impl Mark {
    /// Over after its end, soon when less than `margin` is left.
    pub fn of(end: Timestamp, now: Timestamp, margin: SignedDuration) -> Self {
        match end.duration_since(now) {
            left if left <= SignedDuration::ZERO => Self::Over,
            left if left < margin => Self::Soon,
            _ => Self::Good,
        }
    }

    pub const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Soon => "△",
            Self::Over => "✗",
        }
    }

    pub const fn zh(self) -> &'static str {
        match self {
            Self::Good => "正常",
            Self::Soon => "即將到期",
            Self::Over => "已到期",
        }
    }

    pub const fn en(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Soon => "ends soon",
            Self::Over => "over",
        }
    }
}

/// 1,234,567
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Whether a page that the navigation names exists behind the filter, with the same right.
#[cfg_attr(not(test), expect(dead_code, reason = "for a test"))]
pub fn navigation_fits(routes: &[Route]) -> bool {
    PAGES.iter().all(|page| routes.iter().any(|route| route.path == page.0 && route.right == Some(page.3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_navigation_leads_to_pages_with_the_same_right() {
        assert!(navigation_fits(super::super::ROUTES));
    }

    #[test]
    fn times_are_those_of_taipei_in_years_of_the_republic() {
        let at: Timestamp = "2026-11-21T22:31:04Z".parse().expect("a time");
        assert_eq!(taipei(at), "民國115年11月22日 06:31:04");
        assert_eq!(grouped(94_360_000), "94,360,000");
        assert_eq!(grouped(7), "7");
        assert_eq!(distance(at, at + SignedDuration::from_hours(50)).1, "2 days");
        assert_eq!(distance(at + SignedDuration::from_mins(5), at).0, "5 分鐘");
        assert_eq!(Mark::of(at, at, SignedDuration::ZERO), Mark::Over);
    }

    #[test]
    fn what_people_typed_is_escaped() {
        let failure = Failure::new("NEWEID-E-INTERNAL", Fault::Caller, "<script>", "<b>", "<i>");
        let page = Problem { frame: Frame::open("", ""), failure: &failure, fault_zh: "", fault_en: "" };
        let page = page.render().expect("renders");
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<i>"));
    }
}
