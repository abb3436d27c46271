//! The sample persons of a new country, each with a card in a state worth seeing.
//!
//! Nothing is inserted by hand: every persona goes through application, review, production, collection and use as any
//! person would. Each step looks first at what is there, so an interrupted first run is finished by the next. The
//! secrets of sample persons, and of nobody else, are recorded, so that people can try the cards.

use curve::SecretBytes;
use jiff::Timestamp;
use model::{
    ApplicationKind, ApplicationState, CardProfile, CardSerial, CardState, CaseNo, Channel, OfficeCode, Pin1,
    Pin2, RevocationReason, UserCode,
};
use production::{Centre, Interface};
use registry::{SamplePerson, SimulatedRegister, sample_persons};
use store::params;
use terminal::npc_card::NpcCard;

use crate::portrait;
use crate::service::Mgmt;
use crate::{Contact, Decision, Inspection, MgmtError, NewApplication, Refusal};

/// The account of the clerk who serves the sample persons.
const CLERK: &str = "sample-clerk";

/// How far a persona goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Goal {
    /// The application waits for review.
    Submitted,
    /// A card is set aside at the card centre; the case is on hold.
    InProduction,
    /// The card waits at the office.
    Ready,
    /// The card is in use, PINs set.
    InUse,
}

fn goal(persona: &str) -> Goal {
    match persona {
        "just_applied" => Goal::Submitted,
        "in_production" => Goal::InProduction,
        "ready" => Goal::Ready,
        _ => Goal::InUse,
    }
}

/// Creates the sample persons and brings each to its state. The centre must have blanks in stock.
pub async fn create_country(
    mgmt: &Mgmt,
    register: &SimulatedRegister,
    centre: &Centre,
    now: Timestamp,
) -> Result<(), MgmtError> {
    let samples = sample_persons();
    let persons: Vec<_> = samples.iter().map(|sample| sample.person.clone()).collect();
    register.enrol(&persons, now).await?;

    let mut submitting = tokio::task::JoinSet::new();
    for (number, sample) in samples.iter().cloned().enumerate() {
        let mgmt = mgmt.clone();
        submitting.spawn(async move { mgmt.submit_sample(&sample, number as u64, now).await });
    }
    while let Some(submitted) = submitting.join_next().await {
        submitted.map_err(|_| MgmtError::Data("a worker died"))??;
    }
    // First all that go through to the end; only when they are done begins the one that stays in production.
    if mgmt.samples_under_way(&samples).await? {
        produce(mgmt, centre, &samples, Goal::Ready, now).await?;
    }
    mgmt.receive_samples(&samples, now).await?;
    if mgmt.samples_under_way(&samples).await? {
        return Err(MgmtError::Unfinished);
    }
    let mut using = tokio::task::JoinSet::new();
    for sample in samples.iter().filter(|sample| goal(sample.persona) == Goal::InUse) {
        let (mgmt, centre, persona) = (mgmt.clone(), centre.clone(), sample.persona);
        using.spawn(async move { mgmt.use_sample(&centre, persona, now).await });
    }
    while let Some(used) = using.join_next().await {
        used.map_err(|_| MgmtError::Data("a worker died"))??;
    }
    mgmt.approve_samples(&samples, |goal| goal == Goal::InProduction, now).await?;
    let last = mgmt.sample_case("in_production").await?;
    centre.run_line(now).await?;
    mgmt.advance(now).await?;
    match mgmt.case(last).await?.state {
        ApplicationState::Submitted | ApplicationState::Approved | ApplicationState::Batched => {
            Err(MgmtError::Unfinished)
        }
        _ => Ok(()),
    }
}

/// Approves, batches and lets both systems work until nothing moves.
async fn produce(
    mgmt: &Mgmt,
    centre: &Centre,
    samples: &[SamplePerson],
    least: Goal,
    now: Timestamp,
) -> Result<(), MgmtError> {
    mgmt.approve_samples(samples, |goal| goal >= least, now).await?;
    loop {
        let worked = centre.run_line(now).await?;
        let advanced = mgmt.advance(now).await?;
        if worked + advanced == 0 {
            return Ok(());
        }
    }
}

impl Mgmt {
    /// Submits the application of a persona once, and notes which case it is.
    async fn submit_sample(
        &self,
        sample: &SamplePerson,
        number: u64,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        let noted = self.sample_case(sample.persona).await.ok();
        if let Some(case) = noted {
            return self.hold_sample(sample.persona, case, now).await;
        }
        let person = &sample.person;
        let district = person.address.village().district();
        let age = person.age_on(model::RocDate::in_taipei(now));
        let sex = person.sex;
        let photo = tokio::task::spawn_blocking(move || portrait::draw_as(number + 1, sex))
            .await
            .map_err(|_| MgmtError::Data("a worker died"))?;
        let application = NewApplication {
            id: person.id,
            kind: ApplicationKind::First,
            channel: Channel::Counter,
            photo,
            photo_taken: model::RocDate::in_taipei(now),
            wants_certificate: sample.persona != "no_certificate" && age >= self.config.certificate_age,
            foreign_name: person.name.foreign().is_some(),
            portrait_exemption: None,
            office: OfficeCode::new(district, 0).map_err(|_| MgmtError::Data("office"))?,
            contact: Contact::by_post(),
            profile: if sample.persona == "active_interop" {
                CardProfile::Interop
            } else {
                CardProfile::National
            },
        };
        let case = match self.submit(application, CLERK, now).await {
            // Submitted before an interruption, but not noted.
            Err(MgmtError::Refused(Refusal::CaseOpen)) => {
                let row = self
                    .db
                    .one(
                        "SELECT case_no FROM application WHERE open_person = $1",
                        params![self.keys.person(&person.id)],
                    )
                    .await?;
                crate::books::parse::<CaseNo>(&row, "case_no")?
            }
            other => other?,
        };
        let digits = |count: usize| {
            let random: [u8; 12] = self.draw();
            random[..count].iter().map(|byte| char::from(b'0' + byte % 10)).collect::<String>()
        };
        // Noted before they are used; lists show them only once they are in force.
        self.db
            .execute(
                "INSERT INTO sample (persona, case_no, user_code, pin1, pin2) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (persona) DO NOTHING",
                params![
                    sample.persona,
                    case.as_str(),
                    UserCode::sample(self.draw()).expose(),
                    digits(6),
                    digits(8)
                ],
            )
            .await?;
        self.hold_sample(sample.persona, case, now).await
    }

    /// Holds the persona that stays in production: the line of a running country would finish it within a second.
    async fn hold_sample(&self, persona: &str, no: CaseNo, now: Timestamp) -> Result<(), MgmtError> {
        let case = self.case(no).await?;
        if goal(persona) == Goal::InProduction && case.state == ApplicationState::Submitted && !case.held {
            self.hold_case(no, true, "sample persona", CLERK, now).await?;
        }
        Ok(())
    }

    /// Whether a persona that goes through to the end is not at its office yet.
    async fn samples_under_way(&self, samples: &[SamplePerson]) -> Result<bool, MgmtError> {
        for sample in samples.iter().filter(|sample| goal(sample.persona) >= Goal::Ready) {
            let state = self.case(self.sample_case(sample.persona).await?).await?.state;
            if !matches!(
                state,
                ApplicationState::Received | ApplicationState::Ready | ApplicationState::Collected
            ) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reviews and batches the personas that go on.
    async fn approve_samples(
        &self,
        samples: &[SamplePerson],
        wanted: impl Fn(Goal) -> bool,
        now: Timestamp,
    ) -> Result<(), MgmtError> {
        for sample in samples.iter().filter(|sample| wanted(goal(sample.persona))) {
            let case = self.sample_case(sample.persona).await?;
            if self.case(case).await?.state == ApplicationState::Submitted {
                self.review(case, Decision::Approve(portrait::REVIEW), CLERK, now).await?;
            }
        }
        self.batch(100, CLERK, now).await.map(drop)
    }

    /// Counts the boxes that arrived and checks the cards in them.
    async fn receive_samples(&self, samples: &[SamplePerson], now: Timestamp) -> Result<(), MgmtError> {
        for sample in samples {
            let case = self.case(self.sample_case(sample.persona).await?).await?;
            if case.state == ApplicationState::Produced {
                for (box_no, cards) in self.expected_boxes(case.office).await? {
                    self.receive_box(case.office, &box_no, &cards, CLERK, now).await?;
                }
            }
            if self.case(case.case).await?.state == ApplicationState::Received {
                self.check_received(case.case, Inspection::Good, CLERK, now).await?;
            }
        }
        Ok(())
    }

    /// From the counter to the state the persona shows.
    async fn use_sample(&self, centre: &Centre, persona: &str, now: Timestamp) -> Result<(), MgmtError> {
        let no = self.sample_case(persona).await?;
        let mut default_code = None;
        if self.case(no).await?.state == ApplicationState::Ready {
            default_code = Some(self.hand_over(no, CLERK, now).await?.default_user_code);
        }
        let Some(serial) = self.case(no).await?.serial else { return Ok(()) };
        let secrets = self.sample_of(no).await?.ok_or(MgmtError::Data("sample"))?;
        let code: UserCode = known(secrets.user_code.as_deref())?;
        let mut card = self.card(serial).await?;
        if card.state != CardState::Active {
            return Ok(());
        }
        if !card.user_code_set {
            let default_code = match default_code {
                Some(code) => code,
                // Handed over before an interruption: the code on that confirmation is lost, the counter gives another.
                None => self.reset_user_code(serial, CLERK, now).await?,
            };
            self.change_user_code(serial, &default_code, &code, now).await?;
        }
        if card.pins_set.is_none() {
            let pin1: Pin1 = known(secrets.pin1.as_deref())?;
            let pin2: Option<Pin2> = card.certificate.then(|| known(secrets.pin2.as_deref())).transpose()?;
            let channel = centre.reader(serial, Interface::Contact)?;
            drop(self.set_pins(serial, &code, &pin1, pin2.as_ref(), channel, now).await?);
            card = self.card(serial).await?;
        }
        match persona {
            "pin_blocked" => self.block_pin2(centre, serial).await,
            "suspended" => self.report_loss(serial, "sample-holder", now).await,
            "recalled" => {
                if card.certificates_revoked.is_none() {
                    let reason = RevocationReason::KeyCompromise;
                    self.revoke_certificates(serial, reason, CLERK, now).await?;
                }
                self.recall_card(serial, "R-TEST-1", CLERK, now).await
            }
            _ => Ok(()),
        }
    }

    /// Three wrong entries, as a forgetful holder makes them.
    async fn block_pin2(&self, centre: &Centre, serial: CardSerial) -> Result<(), MgmtError> {
        let channel = centre.reader(serial, Interface::Contact)?;
        let mut random = self.random();
        tokio::task::spawn_blocking(move || {
            let can = eac::Password::can(serial.can().as_str());
            let mut card = NpcCard::open(channel, &can, &mut random)
                .map_err(|error| MgmtError::Card(error.to_string()))?;
            let wrong = SecretBytes::from(b"000000000000".to_vec());
            for _ in 0..3 {
                // Each is refused; that is the point.
                let _ = card.verify_pin2(&wrong);
            }
            Ok(())
        })
        .await
        .map_err(|_| MgmtError::Data("a worker died"))?
    }
}

fn known<T: std::str::FromStr>(text: Option<&str>) -> Result<T, MgmtError> {
    text.and_then(|text| text.parse().ok()).ok_or(MgmtError::Data("sample secret"))
}
