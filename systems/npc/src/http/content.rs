//! Answers from memory: entity tags, dates, ranges, compression (RFC 9110).

use axum::body::Bytes;
use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    EXPIRES, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

/// Something that everybody may have.
pub(super) struct Content<'a> {
    pub(super) body: Bytes,
    pub(super) media_type: &'static str,
    /// A strong entity tag, in its quotation marks.
    pub(super) etag: &'a str,
    pub(super) last_modified: Option<Timestamp>,
    /// When it expires.
    pub(super) until: Timestamp,
}

impl Content<'_> {
    /// The answer. Caches may keep it for a minute: a suspension must be seen soon, whatever `until` says.
    pub(super) fn answer(self, now: Timestamp, asked: &HeaderMap) -> Response {
        let head = self.head(self.etag, now);
        represented(self.body, self.etag, head, asked)
    }

    /// The answer as it is or, where there is such a copy and the client takes it, compressed with gzip. These are two
    /// representations, each with a tag and ranges of its own (RFC 9110 §8.8.3.3, §14.2).
    pub(super) fn answer_in_one_of_two_forms(
        self,
        packed: Option<Bytes>,
        now: Timestamp,
        asked: &HeaderMap,
    ) -> Response {
        let tag = format!("{}-gzip\"", self.etag.trim_end_matches('"'));
        // A part is meant of the list as it is, unless the client says that it has the rest of the compressed one.
        let resumed = || text(asked, IF_RANGE).is_some_and(|known| known == tag);
        let wanted = |_: &Bytes| takes_gzip(asked) && (!asked.contains_key(RANGE) || resumed());
        let mut response = match packed.filter(wanted) {
            None => self.answer(now, asked),
            Some(packed) => {
                let mut head = self.head(&tag, now);
                head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                represented(packed, &tag, head, asked)
            }
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        response
    }

    fn head(&self, etag: &str, now: Timestamp) -> HeaderMap {
        let mut head = HeaderMap::with_capacity(9);
        head.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        let age = self.until.duration_since(now).as_secs().clamp(0, 60);
        // RFC 9919 §5: public, no-transform, must-revalidate; max-age not beyond nextUpdate.
        put(&mut head, CACHE_CONTROL, &format!("public, no-transform, must-revalidate, max-age={age}"));
        put(&mut head, ETAG, etag);
        put(&mut head, EXPIRES, &http_date(self.until.min(now + SignedDuration::from_secs(60))));
        if let Some(at) = self.last_modified {
            put(&mut head, LAST_MODIFIED, &http_date(at));
        }
        head
    }
}

/// One representation: not at all where the client has it, whole, or a part.
fn represented(body: Bytes, etag: &str, mut head: HeaderMap, asked: &HeaderMap) -> Response {
    if matches(asked, IF_NONE_MATCH, etag) {
        head.remove(CONTENT_ENCODING);
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let whole = body.len();
    match range(asked, etag, whole) {
        Range::Whole => (head, body).into_response(),
        Range::Part(from, to) => {
            put(&mut head, CONTENT_RANGE, &format!("bytes {from}-{to}/{whole}"));
            (StatusCode::PARTIAL_CONTENT, head, body.slice(from..=to)).into_response()
        }
        Range::Outside => {
            head.remove(CONTENT_ENCODING);
            put(&mut head, CONTENT_RANGE, &format!("bytes */{whole}"));
            (StatusCode::RANGE_NOT_SATISFIABLE, head).into_response()
        }
    }
}

/// Whether a client takes gzip.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepts = |value: &str| {
        value.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let refused = matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
    };
    text(asked, ACCEPT_ENCODING).is_some_and(accepts)
}

enum Range {
    Whole,
    Part(usize, usize),
    Outside,
}

/// RFC 9110 §14.2: one range of bytes; anything else is answered whole.
fn range(asked: &HeaderMap, etag: &str, whole: usize) -> Range {
    let Some(range) = text(asked, RANGE).and_then(|value| value.strip_prefix("bytes=")) else {
        return Range::Whole;
    };
    // RFC 9110 §13.1.5: a part of what the client has the rest of, or all of it.
    if text(asked, IF_RANGE).is_some_and(|known| known != etag) {
        return Range::Whole;
    }
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten();
    let Some((from, to)) = range.trim().split_once('-') else { return Range::Whole };
    let last = whole.saturating_sub(1);
    let (from, to) = match (from, to) {
        ("", count) => match number(count) {
            Some(0) => return Range::Outside,
            Some(count) => (whole.saturating_sub(count), last),
            None => return Range::Whole,
        },
        (from, "") => match number(from) {
            Some(from) => (from, last),
            None => return Range::Whole,
        },
        (from, to) => match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => (from, to.min(last)),
            _ => return Range::Whole,
        },
    };
    if from >= whole { Range::Outside } else { Range::Part(from, to) }
}

fn matches(asked: &HeaderMap, name: HeaderName, etag: &str) -> bool {
    let same = |tag: &str| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*";
    text(asked, name).is_some_and(|seen| seen.split(',').any(same))
}

fn text(asked: &HeaderMap, name: HeaderName) -> Option<&str> {
    asked.get(name).and_then(|value| value.to_str().ok())
}

fn put(head: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        head.insert(name, value);
    }
}

/// RFC 9110 §5.6.7
fn http_date(at: Timestamp) -> String {
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}
