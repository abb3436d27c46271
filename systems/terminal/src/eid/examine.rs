//! Why a card does not accept a certificate. The card says no more than a status word; most of what it checks can be checked
//! here as well, and what is left is its own date and its own trust point.

use curve::Curve;
use eac::cvc::{Body, Certificate, Date, Role, TrustPoint, VerifyingKey};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The check that the certificate at `index` of the way from a card's trust point to the terminal did not pass, in words for
/// a detail. `known` are all certificates at hand, in which the root may be; `curve` that of the terminal's key; `now` the
/// time of this computer.
// TR-03110-3 §2.4.2 and §C.5, in the order in which a card checks: signature, role, dates.
pub(super) fn failed_check(
    known: &[Certificate],
    curve: Option<Curve>,
    path: &[&Certificate],
    index: usize,
    now: Timestamp,
) -> String {
    let Some(certificate) = path.get(index) else { return String::new() };
    let body = certificate.body();
    let authority = &body.authority;
    let root = known.iter().find(|c| c.is_self_issued() && c.body().holder == path[0].body().authority);
    let root = root.and_then(|root| TrustPoint::from_root(root).ok().map(|point| (root, point)));
    let key = match index {
        0 => root.as_ref().map(|(_, point)| point.key().clone()),
        _ => key_of(&path[..index], root.as_ref().map(|(_, point)| point.key().curve()).or(curve)),
    };
    if key.as_ref().is_some_and(|key| certificate.verify(key).is_err()) {
        return format!("signature: not that of {authority}");
    }
    let issuer = match index {
        0 => root.as_ref().map(|(root, _)| root.body()),
        _ => Some(path[index - 1].body()),
    };
    if let Some(wrong) = wrong_role(issuer, body) {
        return wrong;
    }
    if let Some(issuer) = issuer.filter(|issuer| body.effective > issuer.expiration) {
        let (begins, ended) = (body.effective, issuer.expiration);
        return format!("dates: begins {begins}, when {authority} has ended ({ended})");
    }
    // What the card learnt on the way here moves its date.
    let learnt = path[..index].iter().map(|before| before.body().effective).max();
    if let Some(learnt) = learnt.filter(|learnt| body.expiration < *learnt) {
        return format!("dates: expired {}, before {authority} began ({learnt})", body.expiration);
    }
    if day(now).is_some_and(|today| body.expiration < today) {
        return format!("dates: expired {}", body.expiration);
    }
    // What cannot be seen from here.
    match (index, &key) {
        (0, None) => format!(
            "not under the card's trust point {authority}, or expired by the card's date: {}",
            body.expiration
        ),
        (0, Some(_)) => format!(
            "expired by the card's date: {}; or the card trusts another key of the name {authority}",
            body.expiration
        ),
        _ => {
            let ends = issuer.map_or(body.expiration, |issuer| issuer.expiration.min(body.expiration));
            format!("expired by the card's date: {ends}")
        }
    }
}

/// The key of the last certificate, with the domain parameters that it takes from those above it.
fn key_of(path: &[&Certificate], mut curve: Option<Curve>) -> Option<VerifyingKey> {
    let mut key = None;
    for certificate in path {
        key = certificate.key(curve).ok();
        curve = key.as_ref().map(VerifyingKey::curve).or(curve);
    }
    key
}

/// A role that the issuer cannot give; the trust point of a card is a root, whether its certificate is at hand or not.
fn wrong_role(issuer: Option<&Body>, body: &Body) -> Option<String> {
    let above = issuer.map_or(Role::Cvca, |issuer| issuer.chat.role());
    let role = body.chat.role();
    let fits = match above {
        Role::Cvca => role == Role::Cvca || role.is_verifier(),
        above => above.is_verifier() && role == Role::Terminal,
    };
    if !fits {
        let authority = &body.authority;
        return Some(format!("role: {} below {authority}, which is {}", name(role), name(above)));
    }
    let types = (issuer.map(|issuer| issuer.chat.terminal_type()), body.chat.terminal_type());
    matches!(types, (Some(above), own) if above != own)
        .then(|| format!("role: another type of terminal than that of {}", body.authority))
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Cvca => "a root (CVCA)",
        Role::Terminal => "a terminal",
        _ => "a document verifier",
    }
}

/// The day of this computer, in UTC.
fn day(now: Timestamp) -> Option<Date> {
    let day = now.to_zoned(TimeZone::UTC).date();
    Date::new(u16::try_from(day.year()).ok()?, day.month().unsigned_abs(), day.day().unsigned_abs()).ok()
}
