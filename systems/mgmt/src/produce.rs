//! Making the card of a case: pairing, certificates, zones, package, delivery. One job a case walks through the stages;
//! each stage calls its neighbour first and records second, and every call may be repeated (docs/issuance-cycle.md).

use jiff::{SignedDuration, Timestamp};
use lds::FieldSecurityObject;
use lds::field_security::with_salt;
use model::{Card, CaseNo, KeySlot};
use production::{Order, Package, PairedCard};
use registry::Person;
use store::jobs::{self, Job};
use store::{Db, StoreError, Tx, params};
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use crate::MgmtError;
use crate::application::printed_fields;
use crate::books::{
    Case, Stage, allowed, card_event, case, case_now, parse, save_case, stamp, to_json, update_case,
};
use crate::cards::{ACTOR, BATCH};
use crate::photo;
use crate::review::PERSON;
use crate::service::{CASES, Mgmt};
use crate::submit::put_data;
use crate::vault::{APPLICANT, HOLDER, PACKAGE, PHOTO, RowKey, StoredApplicant, StoredHolder};
use crate::written::{WrittenFields, WrittenZones};
use crate::zones::{self, CardData};

/// What one stage led to.
enum Outcome {
    /// The next stage can begin.
    Next,
    /// The card centre has no card yet.
    Wait,
    /// The case needs nothing more from this job.
    Done,
}

/// After how long a full disk is tried again.
const UNTIL_THERE_IS_ROOM: SignedDuration = SignedDuration::from_secs(5);

impl Mgmt {
    /// Ends the claims of workers that were killed, so that their cases go on at once. Only while nobody else works.
    pub async fn take_over(&self, now: Timestamp) -> Result<(), MgmtError> {
        Ok(jobs::take_over(&self.db, now).await.map(drop)?)
    }

    /// Drives everything that is due: reports of the card centre, cases in production, certificates that follow their
    /// cards, cards that go back, and changes of the register. Returns how many steps were made. Several processes may
    /// call it at the same time. What fails keeps nothing else from being done: certificates follow a lost card while the disk of
    /// the card centre is full.
    pub async fn advance(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let steps = [
            self.take_reports(now).await,
            self.work_cases(now).await,
            self.work_certificates(now).await,
            self.work_returns(now).await,
            self.work_cancels(now).await,
            self.follow_register(now).await,
            self.work_recalls(now).await,
            self.work_recall_revocations(now).await,
        ];
        steps.into_iter().sum()
    }

    /// Takes up the cases that are due, several at the same time: most of the work is photos and signatures.
    async fn work_cases(&self, now: Timestamp) -> Result<usize, MgmtError> {
        let mut running = JoinSet::new();
        let mut worked = Worked::default();
        for job in jobs::claim(&self.db, CASES, BATCH, self.config.lease, now).await? {
            if running.len() >= self.config.parallel {
                worked.add(joined(running.join_next().await)?);
            }
            let mgmt = self.clone();
            running.spawn(async move { mgmt.work_job(&job, now).await });
        }
        while !running.is_empty() {
            worked.add(joined(running.join_next().await)?);
        }
        worked.told()
    }

    async fn work_job(&self, job: &Job, now: Timestamp) -> Result<Worked, MgmtError> {
        let no = std::str::from_utf8(&job.payload).ok().and_then(|text| text.parse().ok());
        let no: CaseNo = no.ok_or(MgmtError::Data("job"))?;
        match self.work_case(no, job, now).await {
            Err(error) if lost_lease(&error) => {
                tracing::info!(case = %no, "another worker has taken the case over");
                Ok(Worked::default())
            }
            // A dead database ends this process's work; what was begun is taken up by whoever comes next.
            Err(MgmtError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(code = error.code(), %error, case = %no, "case could not advance");
                let mut worked = Worked::default();
                give_back(&self.db, job, error, &mut worked, now).await?;
                Ok(worked)
            }
            Ok(steps) => Ok(Worked { steps, full: None }),
        }
    }

    /// Walks one case through its stages as far as it goes.
    async fn work_case(&self, no: CaseNo, job: &Job, now: Timestamp) -> Result<usize, MgmtError> {
        let mut steps = 0;
        loop {
            let read = case_now(&self.db, no).await?;
            let stage = match read.stage {
                // A card may be set aside for a case on hold, but neither CA nor centre hears of the person.
                Stage::Certify | Stage::Package | Stage::Deliver if read.held => Stage::Idle,
                stage => stage,
            };
            let outcome = match stage {
                Stage::Pair => self.pair(&read, now).await?,
                Stage::Certify => self.certify(&read, now).await?,
                Stage::Package => self.package(&read, now).await?,
                Stage::Deliver => self.deliver(&read, job, now).await?,
                Stage::Report | Stage::Idle => {
                    store::transaction!(self.db, |tx| jobs::complete(tx, job).await)?;
                    Outcome::Done
                }
            };
            match outcome {
                Outcome::Next => steps += 1,
                Outcome::Done => return Ok(steps),
                Outcome::Wait => {
                    // Due again at once: the next round asks again.
                    jobs::prolong(&self.db, job, jiff::SignedDuration::ZERO, now).await?;
                    return Ok(steps);
                }
            }
        }
    }

    /// The card of a case, as the centre gave it. Asking again gives the same card.
    async fn paired(&self, case: &Case, now: Timestamp) -> Result<Option<PairedCard>, MgmtError> {
        let (order, class) = (case.order(), case.class());
        let order = Order { order, profile: case.profile, office: case.office, class };
        match self.centre.pair(order.order, now).await {
            Err(production::ProductionError::OrderUnknown) => {
                self.centre.place(&[order], now).await?;
                Ok(self.centre.pair(order.order, now).await?)
            }
            other => Ok(other?),
        }
    }

    /// Takes the card the centre paired with the case into the books, with the numbers of the certificate requests that
    /// will be made for it.
    async fn pair(&self, read: &Case, now: Timestamp) -> Result<Outcome, MgmtError> {
        let Some(paired) = self.paired(read, now).await? else { return Ok(Outcome::Wait) };
        let key = RowKey::of_case(&self.keys, read.no, read.wrapped_key()?)?;
        let (applicant, person) = self.applicant_and_person(read.no, &key).await?;
        let issue = read.issue.ok_or(MgmtError::Data("date of issue"))?;
        let data = CardData {
            serial: paired.serial,
            profile: read.profile,
            issue,
            renewal: read.renewal,
            foreign_name: applicant.foreign_name,
            active_authentication: &paired.active_authentication,
            chip_authentication: &paired.chip_authentication,
        };
        let zone = zones::public_zone(&person, &data, &self.config)?;
        let mrz = zone.td1().map_err(|error| MgmtError::Zones(error.to_string()))?.lines();
        let fields = printed_fields(&person, applicant.foreign_name);
        let face = self.keys.face(&fields.each_ref().map(String::as_str));
        let holder = StoredHolder {
            id: applicant.id,
            name: person.name.clone(),
            birth: person.birth,
            contact: applicant.contact.clone(),
            foreign_name: applicant.foreign_name,
            portrait_exemption: applicant.portrait_exemption,
            mrz,
        };
        store::transaction!(self.db, |tx| {
            let mut case = case(tx, read.no).await?;
            if case.stage != Stage::Pair {
                return Ok(Outcome::Next);
            }
            let mut random = self.random();
            let (card_key, wrapped_key) = RowKey::new_card(&self.keys, paired.serial, &mut random)?;
            let sealed = card_key.seal(HOLDER, &holder, &mut random)?;
            let (card, event) = allowed(Card::Initialised.pair(case.no, stamp(now, ACTOR)))?;
            tx.execute_one(
                "INSERT INTO card (serial, case_no, attempt, person, profile, state, content, issue_date, renewal_date, \
                 certificate, face, wrapped_key, holder, held_by_holder, told, user_code_state, failures, changed_at, chip_key) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, FALSE, '{}', 'none', 0, $14, $15)",
                params![
                    paired.serial.as_str(),
                    case.no.as_str(),
                    case.attempt(),
                    case.person,
                    case.profile.as_str(),
                    card.state().as_str(),
                    to_json(&card)?,
                    issue.iso(),
                    case.renewal.map(|date| date.iso()),
                    case.certificate,
                    face,
                    wrapped_key,
                    sealed,
                    now,
                    &paired.chip_authentication,
                ],
            )
            .await?;
            card_event(tx, paired.serial, &event).await?;
            if case.certificate {
                for slot in self.config.slots(case.profile) {
                    let request_id = store::new_id(now, &mut random);
                    tx.execute_one(
                        "INSERT INTO card_certificate (serial, slot, request_id) VALUES ($1, $2, $3)",
                        params![paired.serial.as_str(), slot.as_str(), request_id],
                    )
                    .await?;
                }
            }
            let before = case.application.clone();
            let (application, event) =
                allowed(case.application.begin_production(paired.serial, stamp(now, ACTOR)))?;
            case.application = application;
            case.serial = Some(paired.serial);
            case.stage = Stage::Certify;
            save_case(tx, &case, &before, &event).await?;
            Ok(Outcome::Next)
        })
    }

    /// Has the certificates issued, each under the request number that stands in the books already.
    async fn certify(&self, read: &Case, now: Timestamp) -> Result<Outcome, MgmtError> {
        let serial = read.serial.ok_or(MgmtError::Data("card of the case"))?;
        let requests = self
            .db
            .all(
                "SELECT slot, request_id FROM card_certificate WHERE serial = $1 AND certificate IS NULL ORDER BY slot",
                params![serial.as_str()],
            )
            .await?;
        let mut issued: Vec<(KeySlot, Vec<u8>)> = Vec::new();
        if !requests.is_empty() {
            let paired = self.paired(read, now).await?.ok_or(MgmtError::Data("card of the case"))?;
            let key = RowKey::of_case(&self.keys, read.no, read.wrapped_key()?)?;
            let (_, person) = self.applicant_and_person(read.no, &key).await?;
            let holder_no = self.certificates.holder_number(&read.person, now).await?;
            let mut asked = Vec::with_capacity(requests.len());
            for row in &requests {
                let slot: KeySlot = parse(row, "slot")?;
                let csr = paired.requests.iter().find(|(id, _)| *id == slot.id());
                asked.push(npc::IssueRequest {
                    request_id: row.read::<Uuid>("request_id")?,
                    carrier: npc::Carrier::NewEid,
                    card: serial,
                    chip_model: Some(production::chip_type_of(read.profile)?),
                    slot,
                    csr: csr.ok_or(MgmtError::Data("request of a slot"))?.1.clone(),
                    subject_name: person.name.chinese().to_owned(),
                    id_tail: person.id.tail().to_owned(),
                    holder_no: holder_no.clone(),
                    issue_date: read.issue.ok_or(MgmtError::Data("date of issue"))?,
                    renewal_date: read.renewal,
                    period: npc::Period::First,
                });
            }
            // All at once: the certificates of a card, and of all cards on their way, share the commits of the CA.
            let answers = self.certificates.issue_many(&asked, now).await;
            for (request, answer) in asked.iter().zip(answers) {
                issued.push((request.slot, answer?.der));
            }
        }
        store::transaction!(self.db, |tx| {
            for (slot, der) in &issued {
                tx.execute(
                    "UPDATE card_certificate SET certificate = $3 WHERE serial = $1 AND slot = $2 AND certificate IS NULL",
                    params![serial.as_str(), slot.as_str(), der],
                )
                .await?;
            }
            self.next_stage(tx, read, Stage::Certify, Stage::Package, now).await
        })
    }

    /// Builds the zones, has them signed, and seals the package. The package is stored before it is sent, so that a
    /// repeated delivery sends the same bytes.
    async fn package(&self, read: &Case, now: Timestamp) -> Result<Outcome, MgmtError> {
        let serial = read.serial.ok_or(MgmtError::Data("card of the case"))?;
        let paired = self.paired(read, now).await?.ok_or(MgmtError::Data("card of the case"))?;
        let key = RowKey::of_case(&self.keys, read.no, read.wrapped_key()?)?;
        let (applicant, person) = self.applicant_and_person(read.no, &key).await?;
        let print = key.open_bytes(PHOTO, &self.data(read.no, PHOTO).await?)?.expose().to_vec();
        let (print, portrait) = tokio::task::spawn_blocking(move || (photo::for_chip(&print), print))
            .await
            .map(|(chip, print)| (print, chip))
            .map_err(|_| MgmtError::Data("photo worker"))?;
        let portrait = portrait.map_err(|_| MgmtError::Data("photo on file"))?;

        let data = CardData {
            serial,
            profile: read.profile,
            issue: read.issue.ok_or(MgmtError::Data("date of issue"))?,
            renewal: read.renewal,
            foreign_name: applicant.foreign_name,
            active_authentication: &paired.active_authentication,
            chip_authentication: &paired.chip_authentication,
        };
        let mut zone = zones::public_zone(&person, &data, &self.config)?;
        // CARDFACE-23, OPEN-62: an exempted portrait is on file in the register and nowhere else.
        let shown = applicant.portrait_exemption.is_none();
        zone.portrait = shown.then_some(portrait);
        let zone_error = |error: lds::Error| MgmtError::Zones(error.to_string());
        let files = zone.data_groups().map_err(zone_error)?;
        let household = zones::household(&person)?;
        let encrypted = zones::encrypted_zone(&person, &data, &self.config)?;
        let groups: Vec<(u8, Vec<u8>)> = encrypted
            .files()
            .map_err(zone_error)?
            .into_iter()
            .map(|(group, file)| (group, with_salt(&file, &self.keys.field_salt(serial, group, 0))))
            .collect();
        let chip_key = curve::point_from_spki(&paired.chip_authentication)
            .map_err(|_| MgmtError::Data("chip authentication key"))?;
        let salted = groups.iter().map(|(group, file)| (*group, file.as_slice()));
        let object = FieldSecurityObject::over(zones::HASH, chip_key.as_uncompressed(), 0, salted)
            .map_err(zone_error)?;
        let mrz_information = zone.td1().map_err(zone_error)?.information();
        let written = WrittenZones {
            household: Some((household.encode().map_err(zone_error)?, household)),
            public: Some((files, zone)),
            encrypted: Some(WrittenFields { groups, object, zone: encrypted }),
        };
        let signed = written.sign(&*self.signing, &serial, now).await?;
        let (Some(household), Some(files), Some(encrypted)) =
            (signed.household, signed.public, signed.encrypted)
        else {
            return Err(MgmtError::Data("zones of a card"));
        };
        let trust_point = self.authorisation.trust_point().await?.encode();
        let infos = zones::card_security_infos(&self.config, read.profile, &paired.chip_authentication)?;
        let card_security = self.signing.sign_card_security(&infos, now).await?;
        let keys = self.keys.pin_management(serial)?;
        let package = Package {
            serial,
            mrz_information,
            household,
            public: files.into_iter().map(|(group, file)| (group.fid(), file)).collect(),
            encrypted: encrypted.groups,
            encrypted_object: encrypted.security_object,
            trust_point,
            document_anchor: self.signing.csca_certificate().await?.der().to_vec(),
            card_access: zones::card_access(&self.config, read.profile)?,
            card_security,
            certificates: self.certificates_for_card(serial).await?,
            pin_management_keys: [keys.enc, keys.mac, keys.dek],
            photo: shown.then_some(print),
        };
        let mut random = self.random();
        let sealed = package.seal(&self.centre.package_key(), read.order(), &mut random)?;
        let stored = key.seal_bytes(PACKAGE, &sealed, &mut random)?;
        store::transaction!(self.db, |tx| {
            put_data(tx, read.no, PACKAGE, &stored).await?;
            self.next_stage(tx, read, Stage::Package, Stage::Deliver, now).await
        })
    }

    /// Sends the stored package. With that the job is done: the centre's report goes on from here.
    async fn deliver(&self, read: &Case, job: &Job, now: Timestamp) -> Result<Outcome, MgmtError> {
        let key = RowKey::of_case(&self.keys, read.no, read.wrapped_key()?)?;
        let sealed = key.open_bytes(PACKAGE, &self.data(read.no, PACKAGE).await?)?;
        self.centre.deliver(read.order(), sealed.expose(), now).await?;
        store::transaction!(self.db, |tx| {
            self.next_stage(tx, read, Stage::Deliver, Stage::Report, now).await?;
            jobs::complete(tx, job).await?;
            Ok(Outcome::Done)
        })
    }

    /// Moves a case on, unless another worker has done so.
    async fn next_stage(
        &self,
        tx: &mut Tx,
        read: &Case,
        from: Stage,
        to: Stage,
        now: Timestamp,
    ) -> Result<Outcome, MgmtError> {
        let mut case = case(tx, read.no).await?;
        if case.stage == from && case.serial == read.serial {
            let before = case.application.clone();
            case.stage = to;
            update_case(tx, &case, &before, now).await?;
            let detail = serde_json::json!({ "from": from.as_str(), "to": to.as_str() });
            crate::books::log(tx, &stamp(now, ACTOR), "case-stage", case.no.as_str(), detail).await?;
        }
        Ok(Outcome::Next)
    }

    /// End-entity certificates by slot, then root and intermediate; nothing at all without certificate (CARD-40).
    async fn certificates_for_card(
        &self,
        serial: model::CardSerial,
    ) -> Result<Vec<(u8, Vec<u8>)>, MgmtError> {
        let rows = self
            .db
            .all(
                "SELECT slot, certificate FROM card_certificate WHERE serial = $1 ORDER BY slot",
                params![serial.as_str()],
            )
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut certificates = Vec::with_capacity(rows.len() + 2);
        for row in &rows {
            let slot: KeySlot = parse(row, "slot")?;
            certificates.push((slot.id(), row.read::<Vec<u8>>("certificate")?));
        }
        certificates.sort_by_key(|(id, _)| *id);
        // The chain of what was issued, also if another generation of the CA issues by now.
        let issued = certificates.first().map(|(_, der)| der.as_slice()).unwrap_or_default();
        let (intermediate, root) = match self.certificates.chain_of(issued).await? {
            Some(chain) => chain,
            None => (self.chain.intermediate.clone(), self.chain.root.clone()),
        };
        certificates.push((5, root));
        certificates.push((6, intermediate));
        Ok(certificates)
    }

    async fn applicant_and_person(
        &self,
        no: CaseNo,
        key: &RowKey,
    ) -> Result<(StoredApplicant, Person), MgmtError> {
        let applicant = key.open(APPLICANT, &self.data(no, APPLICANT).await?)?;
        let person = key.open_bytes(PERSON, &self.data(no, PERSON).await?)?;
        Ok((applicant, Person::from_stored(person.expose())?))
    }
}

/// What a round of work came to.
#[derive(Default)]
pub(crate) struct Worked {
    /// Steps made.
    pub(crate) steps: usize,
    /// The first full disk that kept something from being done.
    full: Option<MgmtError>,
}

impl Worked {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.full = self.full.take().or(other.full);
    }

    /// How many steps were made; a full disk is an error once everything was tried.
    pub(crate) fn told(self) -> Result<usize, MgmtError> {
        self.full.map_or(Ok(self.steps), Err)
    }
}

/// Whether another worker took a job over because its lease had run out: that worker goes on from what is stored.
pub(crate) const fn lost_lease(error: &MgmtError) -> bool {
    matches!(error, MgmtError::Store(StoreError::Affected { .. }))
}

/// Gives a job back after a failure of its own or of the system that it needs, unless another worker has taken it over. A full disk,
/// whoever noticed it, is no failure of the job: it is not counted, and `worked` has it for whoever asked for the work.
pub(crate) async fn give_back(
    db: &Db,
    job: &Job,
    error: MgmtError,
    worked: &mut Worked,
    now: Timestamp,
) -> Result<(), MgmtError> {
    let given = if store::is_disk_full(&error) {
        let given = jobs::put_off(db, job, error.code(), UNTIL_THERE_IS_ROOM, now).await;
        worked.full.get_or_insert(error);
        given
    } else {
        jobs::fail(db, job, error.code(), now).await.map(drop)
    };
    match given {
        Err(StoreError::Affected { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn joined(ended: Option<Result<Result<Worked, MgmtError>, JoinError>>) -> Result<Worked, MgmtError> {
    match ended {
        Some(Ok(worked)) => worked,
        Some(Err(_)) => Err(MgmtError::Data("a worker died")),
        None => Ok(Worked::default()),
    }
}
