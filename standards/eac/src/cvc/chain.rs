//! Chains of certificates: from a trust point over a document verifier to a terminal (TR-03110-3 §2.4.2 and §C.5).
//!
//! A card has no clock. What it knows of the time is the latest effective date in certificates that a trusted authority
//! signed, and what it knows of roots is its trust point and the one before. [`Chain::import`] decides what a certificate
//! changes; whoever keeps the card's memory stores the [`Update`] before it answers.

use super::UpdateRights;
use super::{Body, Certificate, Chat, CvcError, Date, Extensions, PublicKey, Reference, Role, VerifyingKey};

/// What a terminal may do: the rights all its chain agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorisation {
    /// Type of terminal, role and rights.
    pub chat: Chat,
    /// Fields it may write.
    pub updates: UpdateRights,
}

impl Authorisation {
    /// What one certificate grants.
    pub fn of(body: &Body) -> Self {
        Self { chat: body.chat, updates: body.extensions.update_rights() }
    }

    /// What both grant; the type of terminal and the role are those of `self`.
    // TR-03110-3 §C.4: the effective authorisation is the bitwise AND.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            chat: self.chat.with_rights(self.chat.rights() & other.chat.rights()),
            updates: self.updates & other.updates,
        }
    }
}

/// A root that a card trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPoint {
    body: Body,
    key: VerifyingKey,
}

impl TrustPoint {
    /// The trust point of a self-signed root certificate. The signature proves that the file is whole; trust comes from
    /// where it was taken.
    pub fn from_root(root: &Certificate) -> Result<Self, CvcError> {
        if !root.is_self_issued() {
            return Err(CvcError::UnknownIssuer);
        }
        let point = Self::new(root.body(), None)?;
        root.verify(&point.key)?;
        Ok(point)
    }

    /// `issuer` is the trust point that signed the link certificate with this body.
    fn new(body: &Body, issuer: Option<&Self>) -> Result<Self, CvcError> {
        if body.chat.role() != Role::Cvca {
            return Err(CvcError::Role);
        }
        let key = body.public_key.resolve(issuer.map(|issuer| issuer.key.curve()))?;
        // A link certificate may take its domain parameters from its issuer, who will be forgotten one day.
        let body =
            Body { authority: body.holder.clone(), public_key: PublicKey::spelled_out(&key), ..body.clone() };
        Ok(Self { body, key })
    }

    /// Its reference: what PACE announces, and what a document verifier's certificate names as authority.
    pub const fn reference(&self) -> &Reference {
        &self.body.holder
    }

    /// Its key.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// What it may grant.
    pub fn authorisation(&self) -> Authorisation {
        Authorisation::of(&self.body)
    }

    /// First day.
    pub const fn effective(&self) -> Date {
        self.body.effective
    }

    /// Last day.
    pub const fn expiration(&self) -> Date {
        self.body.expiration
    }

    /// The persisted form: a certificate body that names itself as authority and spells its key out, unsigned.
    pub fn encode(&self) -> Vec<u8> {
        self.body.encode()
    }

    /// Reads the persisted form.
    pub fn decode(bytes: &[u8]) -> Result<Self, CvcError> {
        Self::new(&Body::parse(bytes)?, None)
    }
}

/// The trust points of a card: the present one and the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPoints {
    current: TrustPoint,
    previous: Option<TrustPoint>,
}

impl TrustPoints {
    /// What a card gets when it is personalised.
    pub const fn new(current: TrustPoint) -> Self {
        Self { current, previous: None }
    }

    /// The newest one.
    pub const fn current(&self) -> &TrustPoint {
        &self.current
    }

    /// The one before, while documents verified by it may still be around.
    pub const fn previous(&self) -> Option<&TrustPoint> {
        self.previous.as_ref()
    }

    /// The one with this reference.
    pub fn find(&self, reference: &Reference) -> Option<&TrustPoint> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|point| point.reference() == reference)
    }

    /// The persisted form: the trust points one after the other, the newest first.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.current.encode();
        bytes.extend(self.previous.as_ref().map(TrustPoint::encode).unwrap_or_default());
        bytes
    }

    /// Reads the persisted form.
    pub fn decode(bytes: &[u8]) -> Result<Self, CvcError> {
        const MALFORMED: CvcError = CvcError::Malformed("trust points");
        let (first, rest) = tlv::read_one(bytes).map_err(|_| MALFORMED)?;
        let current = TrustPoint::decode(first.raw)?;
        let previous = if rest.is_empty() { None } else { Some(TrustPoint::decode(rest)?) };
        Ok(Self { current, previous })
    }

    /// The trust points after a roll-over, and after a date has passed.
    // TR-03110-3 §2.4.2: at most two; expired ones are disabled. The newest stays: it may verify its successor's link.
    fn after(&self, new: Option<TrustPoint>, date: Date) -> Self {
        let (current, previous) = match new {
            Some(new) => (new, Some(self.current.clone())),
            None => (self.current.clone(), self.previous.clone()),
        };
        Self { current, previous: previous.filter(|point| point.expiration() >= date) }
    }
}

/// What a certificate changes in a card for good. To be stored, whole or not at all, before the card answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// New trust points.
    pub trust_points: Option<TrustPoints>,
    /// A later date.
    pub date: Option<Date>,
}

impl Update {
    /// Whether nothing changes.
    pub const fn is_empty(&self) -> bool {
        self.trust_points.is_none() && self.date.is_none()
    }
}

/// A certificate that was imported for the present session: a document verifier's or a terminal's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Whose it is.
    pub holder: Reference,
    /// The holder's key.
    pub key: VerifyingKey,
    /// What the chain up to here grants.
    pub authorisation: Authorisation,
    /// The extensions of this certificate.
    pub extensions: Extensions,
    expiration: Date,
}

/// A card's view of the certificates a terminal presents in one session.
#[derive(Debug, Clone)]
pub struct Chain {
    trust_points: TrustPoints,
    date: Date,
    verifier: Option<Imported>,
    terminal: Option<Imported>,
}

/// Who signed a certificate that is being imported.
struct Issuer<'a> {
    key: &'a VerifyingKey,
    authorisation: Authorisation,
    expiration: Date,
}

impl Chain {
    /// A new session of a card with these trust points, which knows that it is at least `date`.
    pub const fn new(trust_points: TrustPoints, date: Date) -> Self {
        Self { trust_points, date, verifier: None, terminal: None }
    }

    /// The trust points as they are now.
    pub const fn trust_points(&self) -> &TrustPoints {
        &self.trust_points
    }

    /// The date the card knows.
    pub const fn date(&self) -> Date {
        self.date
    }

    /// Whether a key with this reference can verify a certificate: MSE:Set DST.
    pub fn knows(&self, reference: &Reference) -> bool {
        self.issuer(reference).is_some()
    }

    /// The terminal whose certificate was imported last.
    pub const fn terminal(&self) -> Option<&Imported> {
        self.terminal.as_ref()
    }

    fn issuer(&self, reference: &Reference) -> Option<Issuer<'_>> {
        if let Some(point) = self.trust_points.find(reference) {
            let authorisation = point.authorisation();
            return Some(Issuer { key: &point.key, authorisation, expiration: point.expiration() });
        }
        let verifier = self.verifier.as_ref().filter(|verifier| verifier.holder == *reference)?;
        let (key, authorisation) = (&verifier.key, verifier.authorisation);
        Some(Issuer { key, authorisation, expiration: verifier.expiration })
    }

    /// Verifies a certificate with the key it names as authority and imports it. An error changes nothing.
    pub fn import(&mut self, certificate: &Certificate) -> Result<Update, CvcError> {
        let body = certificate.body();
        let issuer = self.issuer(&body.authority).ok_or(CvcError::UnknownIssuer)?;
        certificate.verify(issuer.key)?;
        // Only what is signed is believed, so the signature comes first.
        let (parent, child) = (issuer.authorisation.chat, body.chat);
        if child.terminal_type() != parent.terminal_type() {
            return Err(CvcError::TerminalType);
        }
        let link = match (parent.role(), child.role()) {
            (Role::Cvca, Role::Cvca) => true,
            (Role::Cvca, role) if role.is_verifier() => false,
            (role, Role::Terminal) if role.is_verifier() => false,
            _ => return Err(CvcError::Role),
        };
        if body.effective > issuer.expiration {
            return Err(CvcError::NotYetValid);
        }
        // TR-03110-3 §2.4.2: an expired link certificate is accepted, so that a card which lay in a drawer finds its way
        // to the present trust point; of everything else neither certificate nor issuer may have expired.
        if !link && (body.expiration < self.date || issuer.expiration < self.date) {
            return Err(CvcError::Expired);
        }
        if link {
            return self.import_link(body);
        }
        // TR-03110-3 §2.4.2, CARD-57: a terminal of a non-official verifier does not move the date.
        let accurate = parent.role() == Role::Cvca || parent.role() == Role::OfficialVerifier;
        let key = certificate.key(Some(issuer.key.curve()))?;
        let imported = Imported {
            holder: body.holder.clone(),
            key,
            authorisation: Authorisation::of(body).and(&issuer.authorisation),
            extensions: body.extensions.clone(),
            expiration: body.expiration,
        };
        let update = self.advance(accurate.then_some(body.effective), None);
        if child.role() == Role::Terminal {
            self.terminal = Some(imported);
        } else {
            self.verifier = Some(imported);
            self.terminal = None;
        }
        Ok(update)
    }

    fn import_link(&mut self, body: &Body) -> Result<Update, CvcError> {
        if let Some(known) = self.trust_points.find(&body.holder) {
            // Again the link that has been followed: nothing changes. Another key under a known name: never.
            let again = body.public_key.resolve(Some(known.key.curve())).is_ok_and(|key| key == known.key);
            return if again { Ok(Update::default()) } else { Err(CvcError::Loop) };
        }
        // A successor is named by the newest trust point alone: an older key, which may be lost by now, cannot lead the
        // card elsewhere.
        if body.authority != *self.trust_points.current.reference() {
            return Err(CvcError::Role);
        }
        let new = TrustPoint::new(body, Some(&self.trust_points.current))?;
        Ok(self.advance(Some(body.effective), Some(new)))
    }

    fn advance(&mut self, effective: Option<Date>, new: Option<TrustPoint>) -> Update {
        let date = effective.filter(|effective| *effective > self.date);
        self.date = date.unwrap_or(self.date);
        let trust_points = self.trust_points.after(new, self.date);
        let changed = trust_points != self.trust_points;
        self.trust_points = trust_points.clone();
        Update { trust_points: changed.then_some(trust_points), date }
    }
}

/// The certificates from one of `trusted` to `terminal`, in the order a card needs them, or nothing where they do not
/// connect. References are followed, signatures not looked at; no name comes twice.
pub fn path<'a>(
    certificates: &'a [Certificate],
    trusted: &[Reference],
    terminal: &Reference,
) -> Option<Vec<&'a Certificate>> {
    let mut path = Vec::new();
    if !extend(&mut path, certificates, trusted, terminal) {
        return None;
    }
    path.reverse();
    Some(path)
}

fn extend<'a>(
    path: &mut Vec<&'a Certificate>,
    certificates: &'a [Certificate],
    trusted: &[Reference],
    wanted: &Reference,
) -> bool {
    if path.len() == MAX_PATH || path.iter().any(|certificate| certificate.body().holder == *wanted) {
        return false;
    }
    for next in certificates.iter().filter(|c| !c.is_self_issued() && c.body().holder == *wanted) {
        path.push(next);
        if trusted.contains(&next.body().authority)
            || extend(path, certificates, trusted, &next.body().authority)
        {
            return true;
        }
        path.pop();
    }
    false
}

/// Terminal, document verifier, and as many roll-overs as a card may have missed.
const MAX_PATH: usize = 16;

/// Validates a chain where there is a clock: every certificate by the one before it, the first by `root`, all within their
/// periods on `today`. Gives what the last one may do.
pub fn validate_at(root: &TrustPoint, chain: &[Certificate], today: Date) -> Result<Authorisation, CvcError> {
    let mut view = Chain::new(TrustPoints::new(root.clone()), today);
    let mut authorisation = root.authorisation();
    for certificate in chain {
        if certificate.body().effective > today {
            return Err(CvcError::NotYetValid);
        }
        view.import(certificate)?;
        let imported = view.terminal.as_ref().or(view.verifier.as_ref());
        authorisation = imported.map_or(authorisation, |imported| imported.authorisation);
    }
    Ok(authorisation)
}
