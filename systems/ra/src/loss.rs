//! Loss reports by people who have no card at hand any more, and so may not know its number: the person's own number leads to the
//! card that is in that person's hands. Whether there is one is told to nobody: who names a person without a card is answered as one
//! who cannot prove anything, as late, however often, and with the same trace in the audit log. So a code that is locked is a wrong
//! one here, for the right one too.

use jiff::Timestamp;
use mgmt::CallerAnswers;
use model::{CardSerial, NationalIdNo, UserCode};
use uuid::Uuid;

use crate::functions::{Channel, Function};
use crate::refused::Tried;
use crate::request::{Detail, Proof, Request};
use crate::{Done, Ra, RaError, Refusal, Result};

impl Ra {
    /// Takes the loss report of a caller (LOSS-04, LOSS-05). `card` is the one that the caller names, if that is known.
    pub async fn loss_by_caller(
        &self,
        channel: Channel,
        id: Uuid,
        card: Option<CardSerial>,
        (operator, answers): (&str, CallerAnswers),
        now: Timestamp,
    ) -> Result<Done> {
        let in_hands = match card {
            Some(card) => Some(card),
            None => self.card_in_hands(&answers.number).await?,
        };
        let Some(card) = in_hands else {
            let error = Refusal::CallerUnknown.into();
            let who = self.number_tried(&answers.number);
            let proof = Proof::Caller { operator: operator.to_owned(), answers };
            let tried = Tried { channel, function: Function::ReportLoss, id, subject: &who };
            self.note_refusal(tried, &proof, &error, now).await?;
            return Err(error);
        };
        let request = Request { id, function: Function::ReportLoss, card, at: now, detail: Detail::Nothing };
        let proof = Proof::Caller { operator: operator.to_owned(), answers };
        self.act(channel, &request, &proof, None, now).await
    }

    /// Takes a loss report online, or its withdrawal, by number and user code (LOSS-03, LOSS-08). At any hour.
    ///
    /// # Errors
    /// [`mgmt::Refusal::UserCodeWrong`] for a wrong code, a locked one, a person without one and a person without a card.
    pub async fn loss_online(
        &self,
        id: Uuid,
        person: &NationalIdNo,
        code: &UserCode,
        lost: bool,
        now: Timestamp,
    ) -> Result<Done> {
        let function = if lost { Function::ReportLoss } else { Function::WithdrawLoss };
        let proof = Proof::UserCode(code.clone());
        let Some(card) = self.card_in_hands(person).await? else {
            self.hasher.matches_nothing(code).await?;
            let error = wrong();
            let who = self.number_tried(person);
            let tried = Tried { channel: Channel::Online, function, id, subject: &who };
            self.note_refusal(tried, &proof, &error, now).await?;
            return Err(error);
        };
        let request = Request { id, function, card, at: now, detail: Detail::Nothing };
        match self.act(Channel::Online, &request, &proof, None, now).await {
            // That there is a code to be locked is told to nobody who has not shown it.
            Err(RaError::Management(error)) if error.refusal() == Some(mgmt::Refusal::UserCodeLocked) => {
                self.hasher.matches_nothing(code).await?;
                Err(wrong())
            }
            done => done,
        }
    }

    /// What stands in the audit log for the number of somebody without a card: the same for the same number, and no way back.
    fn number_tried(&self, person: &NationalIdNo) -> String {
        let hash = self.keys.derive("loss-tried").lookup(person.as_str().as_bytes());
        let hash: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("number-{hash}")
    }

    async fn card_in_hands(&self, person: &NationalIdNo) -> Result<Option<CardSerial>> {
        Ok(self.management.card_in_hands(person).await?)
    }
}

fn wrong() -> RaError {
    RaError::Management(mgmt::Refusal::UserCodeWrong.into())
}
