//! Loss reports by people who have no card at hand any more, and so may not know its number: the person's own number leads to the
//! card that is in that person's hands. Whether there is one is told to nobody: who names a person without a card is answered as one
//! who cannot prove anything.

use jiff::Timestamp;
use mgmt::CallerAnswers;
use model::{CardSerial, NationalIdNo, UserCode};
use uuid::Uuid;

use crate::functions::{Channel, Function};
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
        let card = match card {
            Some(card) => card,
            None => self.card_in_hands(&answers.number).await?.ok_or(Refusal::CallerUnknown)?,
        };
        let request = Request { id, function: Function::ReportLoss, card, at: now, detail: Detail::Nothing };
        let proof = Proof::Caller { operator: operator.to_owned(), answers };
        self.act(channel, &request, &proof, None, now).await
    }

    /// Takes a loss report online, or its withdrawal, by number and user code (LOSS-03, LOSS-08). At any hour.
    pub async fn loss_online(
        &self,
        id: Uuid,
        person: &NationalIdNo,
        code: &UserCode,
        lost: bool,
        now: Timestamp,
    ) -> Result<Done> {
        let nobody = || RaError::Management(mgmt::Refusal::UserCodeWrong.into());
        let card = self.card_in_hands(person).await?.ok_or_else(nobody)?;
        let function = if lost { Function::ReportLoss } else { Function::WithdrawLoss };
        let request = Request { id, function, card, at: now, detail: Detail::Nothing };
        self.act(Channel::Online, &request, &Proof::UserCode(code.clone()), None, now).await
    }

    async fn card_in_hands(&self, person: &NationalIdNo) -> Result<Option<CardSerial>> {
        Ok(self.management.card_in_hands(person).await?)
    }
}
