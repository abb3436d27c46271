//! `neweid pin status` and `neweid pin change`: where PIN1 and PIN2 stand, and the holder's change of one of them. The first
//! PIN and the unblocking are the issuer's, with the user code (CARD-51).

use crate::cli::{PinChange, PinStatus, WhichPin};
use crate::failure::Failure;
use crate::hand::{CardArgs, Stop, work};
use crate::secrets;
use curve::SystemRandom;
use serde::Serialize;
use std::process::ExitCode;
use terminal::npc_card::{NpcCard, NpcError, Pin2Status};
use terminal::pin1::{self, Pin1Status};
use terminal::{Card, narrator::Words};

/// Where one PIN stands. The names of the fields and states are a contract.
#[derive(Serialize)]
struct State {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries_left: Option<u8>,
    #[serde(flatten)]
    words: Words,
}

#[derive(Serialize)]
struct States {
    pin1: State,
    pin2: State,
}

/// Runs `pin status`.
pub async fn status(arguments: PinStatus) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let states = states(&arguments.card, stop)?;
        if arguments.card.json {
            say!("{}", serde_json::to_string_pretty(&states).map_err(Failure::ours)?);
        } else {
            say!("PIN1  {}", states.pin1.words);
            say!("PIN2  {}", states.pin2.words);
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn states(arguments: &CardArgs, stop: &Stop) -> Result<States, Failure> {
    let access_number = arguments.access_number()?;
    let mut card = Card::new(arguments.take(stop)?);
    let parameters = card.connect_for_pace()?;
    let pin1 = pin1::status(&mut card, parameters)?;
    // Profile national tells nothing about PIN2 outside of a secure channel.
    if let Some(access_number) = &access_number {
        card.open_channel(parameters, access_number, &mut SystemRandom)?;
    }
    let pin2 = NpcCard::select(card).and_then(|mut zone| zone.pin2_status());
    let pin2 = match pin2 {
        Ok(status) => pin2_state(status),
        Err(NpcError::ZoneClosed(apdu::StatusWord::FILE_NOT_FOUND)) => State::new(
            "absent",
            None,
            "沒有憑證區（未開通，或在非接觸式介面）",
            "no certificate zone (closed, or on the contactless interface)",
        ),
        Err(NpcError::ZoneClosed(_)) => State::new(
            "unknown",
            None,
            "須先開啟安全通道才能查詢，請加上 --can",
            "asked for in a secure channel only: give --can",
        ),
        Err(error) => return Err(error.into()),
    };
    Ok(States { pin1: pin1_state(pin1), pin2 })
}

impl State {
    fn new(
        state: &'static str,
        tries_left: Option<u8>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self { state, tries_left, words: Words::new(zh, en) }
    }

    fn usable(tries: u8) -> Self {
        Self::new(
            "usable",
            Some(tries),
            format!("可用，剩餘 {tries} 次"),
            format!("usable, {tries} tries left"),
        )
    }
}

fn pin1_state(status: Pin1Status) -> State {
    match status {
        Pin1Status::NotSet => State::new("not_set", None, "尚未設定", "not set"),
        Pin1Status::Usable { tries_left } => State::usable(tries_left),
        Pin1Status::Suspended => State::new(
            "suspended",
            Some(1),
            "已暫停，剩餘 1 次，須先輸入讀取碼",
            "suspended, one try left, the access number first",
        ),
        Pin1Status::Blocked => State::new("blocked", Some(0), "已鎖定", "blocked"),
        Pin1Status::Absent => State::new("absent", None, "此介面沒有 PIN1", "not on this interface"),
    }
}

fn pin2_state(status: Pin2Status) -> State {
    match status {
        Pin2Status::NotSet => State::new("not_set", None, "尚未設定", "not set"),
        Pin2Status::Required { tries_left } => State::usable(tries_left),
        Pin2Status::Verified => State::new("verified", None, "已驗證", "verified"),
        Pin2Status::Blocked => State::new("blocked", Some(0), "已鎖定", "blocked"),
    }
}

/// Runs `pin change`.
pub async fn change(arguments: PinChange) -> Result<ExitCode, Failure> {
    work(move |stop| {
        let access_number = match arguments.which {
            // PACE proves PIN1 without sending it.
            WhichPin::Pin1 => arguments.card.access_number()?,
            WhichPin::Pin2 => super::access_number_for_pin2(&arguments.card, arguments.way.in_clear)?,
        };
        let name = arguments.which.name();
        let old =
            secrets::pin(arguments.old.as_deref(), &format!("目前的 {name}"), &format!("Present {name}"))?;
        let new =
            secrets::new_pin(arguments.new.as_deref(), &format!("新的 {name}"), &format!("New {name}"))?;
        let channel = arguments.card.take(stop)?;
        match arguments.which {
            WhichPin::Pin1 => {
                let mut card = Card::new(channel);
                let parameters = card.connect_for_pace()?;
                pin1::change(&mut card, parameters, &old, &new, access_number.as_ref(), &mut SystemRandom)?;
            }
            WhichPin::Pin2 => super::zone(channel, access_number.as_ref())?.change_pin2(&old, &new)?,
        }
        if arguments.card.json {
            say!("{}", serde_json::json!({ "changed": name.to_lowercase() }));
        } else {
            say!("已變更 {name}。 {name} is changed.");
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

impl WhichPin {
    const fn name(self) -> &'static str {
        match self {
            Self::Pin1 => "PIN1",
            Self::Pin2 => "PIN2",
        }
    }
}
