//! A card in hand: in a PC/SC reader, or one of a country's virtual cards held by this process without any reader; with a
//! trace for whoever wants to see what passes, and a way to stop between two commands.

use crate::cards::{self, CardFile};
use crate::cli::{Hidden, Interface};
use crate::failure::{Failure, Fault};
use crate::signals::{Interruption, card_interrupted};
use apdu::{CardChannel, ChannelError, Command, Response};
use chip::InProcessChannel;
use eac::Password;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use terminal::{Event, PcscChannel, Traced};

/// Bytes of a message that a trace shows.
const SHOWN: usize = 48;

/// Which card, and how to speak to it. The same for every command that works with a card.
#[derive(clap::Args, Debug, Clone)]
pub struct CardArgs {
    /// 讀卡機名稱 Reader name, or a part of one that no other reader has, as `pcsc_scan` shows it.
    #[arg(long, required_unless_present = "serial", conflicts_with = "serial")]
    pub reader: Option<String>,
    /// 卡片序號 Serial number of a card of the country in `--dir`, or the file of a card (`NAME.card`): this process holds it, no reader is
    /// needed.
    #[arg(long)]
    pub serial: Option<String>,
    /// 國家目錄 Directory of the country, for `--serial`.
    #[arg(long, default_value = "data")]
    pub dir: PathBuf,
    /// 卡片介面 Side of the card, for `--serial`.
    #[arg(long, value_enum, default_value = "contact")]
    pub interface: Interface,
    /// 讀取碼 Card access number, opens the secure channel: the last six digits of the card serial number (printed on the card, no
    /// secret; known with `--serial`).
    #[arg(long)]
    pub can: Option<Hidden>,
    /// 說明往來指令 Tell every command and answer in plain words on standard error; PINs, keys and contents are hidden.
    #[arg(long)]
    pub trace: bool,
    /// 輸出 JSON Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

impl CardArgs {
    /// Takes the card in hand. Until the channel is dropped no other program can use it.
    pub fn take(&self, stop: &Stop) -> Result<Box<dyn CardChannel + Send>, Failure> {
        let channel: Box<dyn CardChannel + Send> = match (&self.reader, &self.serial) {
            (Some(reader), _) => {
                Box::new(PcscChannel::connect(reader).map_err(|error| no_card(reader, &error))?)
            }
            (None, serial) => {
                let card = CardFile::find(serial.as_deref().unwrap_or_default(), &self.dir)?;
                let chip = cards::open_file(&card)?;
                Box::new(InProcessChannel::new(chip, self.interface.into()))
            }
        };
        let channel = Stoppable::new(channel, stop.clone());
        if !self.trace {
            return Ok(Box::new(channel));
        }
        let json = self.json;
        Ok(Box::new(Traced::new(channel, move |event| trace(&event, json))))
    }

    /// The access number, if one was given or is known.
    pub fn access_number(&self) -> Result<Option<Password>, Failure> {
        let digits = match (&self.can, &self.serial) {
            (Some(Hidden(can)), _) => can.clone(),
            (None, Some(serial)) if CardFile::is_named(serial) => {
                // A card of plastic shows its number; a virtual one is asked for it. A blank one has none.
                let chip = cards::open_file(&CardFile::find(serial, &self.dir)?)?;
                match chip.serial() {
                    Some(serial) => cards::parse_serial(serial)?.can().as_str().to_owned(),
                    None => return Ok(None),
                }
            }
            (None, Some(serial)) => cards::parse_serial(serial)?.can().as_str().to_owned(),
            (None, None) => return Ok(None),
        };
        if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Some(Password::can(&digits)));
        }
        Err(Failure::new(
            "NEWEID-E-CAN-FORMAT",
            Fault::Caller,
            "讀取碼是 6 位數字（卡片序號末 6 碼）。",
            "The card access number is six digits: the last six of the card serial number.",
            "例 Example: --can 123456",
        )
        .exit(2))
    }
}

impl From<Interface> for chip::Interface {
    fn from(interface: Interface) -> Self {
        match interface {
            Interface::Contact => Self::Contact,
            Interface::Contactless => Self::Contactless,
        }
    }
}

/// Runs what works with a card, beside the wish of the person that it ends. The card is never left in the middle of a
/// command: the work stops before the next one, and dropping the channel resets the card. A second wish does not wait.
pub async fn work(
    run: impl FnOnce(&Stop) -> Result<ExitCode, Failure> + Send + 'static,
) -> Result<ExitCode, Failure> {
    let mut interruption = Interruption::listen()?;
    let stop = Stop::default();
    let inner = stop.clone();
    let mut worker = tokio::task::spawn_blocking(move || run(&inner));
    tokio::select! {
        result = &mut worker => return result.map_err(Failure::ours)?,
        () = interruption.wait() => {}
    }
    crate::secrets::restore_terminal();
    stop.0.wanted.store(true, Ordering::SeqCst);
    // Nothing is waited for that waits for a person, or for another program to let go of the card.
    if !stop.0.in_hand.load(Ordering::SeqCst) {
        return Err(card_interrupted());
    }
    tokio::select! {
        result = worker => match result {
            // It was done all the same.
            Ok(Ok(code)) => Ok(code),
            _ => Err(card_interrupted()),
        },
        () = interruption.wait() => Err(card_interrupted()),
    }
}

/// The wish that work with a card ends.
#[derive(Clone, Default)]
pub struct Stop(Arc<State>);

#[derive(Default)]
struct State {
    wanted: AtomicBool,
    in_hand: AtomicBool,
}

/// A channel that ends between two commands when it is wished.
struct Stoppable {
    channel: Box<dyn CardChannel + Send>,
    stop: Stop,
}

impl Stoppable {
    fn new(channel: Box<dyn CardChannel + Send>, stop: Stop) -> Self {
        stop.0.in_hand.store(true, Ordering::SeqCst);
        Self { channel, stop }
    }

    fn expect_wanted(&self) -> Result<(), ChannelError> {
        if self.stop.0.wanted.load(Ordering::SeqCst) {
            return Err(ChannelError::Reader("interrupted".into()));
        }
        Ok(())
    }
}

impl CardChannel for Stoppable {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.expect_wanted()?;
        self.channel.transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.expect_wanted()?;
        self.channel.reset()
    }

    fn unwrapped(&mut self, command: &Command, response: &Response) {
        self.channel.unwrapped(command, response);
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        self.stop.0.in_hand.store(false, Ordering::SeqCst);
    }
}

fn no_card(reader: &str, error: &ChannelError) -> Failure {
    let readers = PcscChannel::readers().unwrap_or_default();
    let list = if readers.is_empty() { "(無 none)".to_owned() } else { readers.join(", ") };
    Failure::new(
        "NEWEID-E-NO-CARD",
        Fault::Environment,
        format!("讀卡機「{reader}」沒有卡片：{error}。可用的讀卡機：{list}"),
        format!("No card in reader `{reader}`: {error}. Readers: {list}"),
        "插入卡片並確認 pcscd 已啟動 Insert a card and see that pcscd runs; `neweid doctor` helps.",
    )
    .exit(4)
}

// The trace goes to standard error: standard output is the answer's.
fn trace(event: &Event<'_>, json: bool) {
    match event {
        Event::Reset(atr) if json => {
            eprintln!(
                "{}",
                serde_json::json!({ "trace": { "event": "reset", "atr": hex::encode_upper(atr) } })
            );
        }
        Event::Reset(atr) => eprintln!("      重置，ATR {0} | reset, ATR {0}", hex::encode_upper(atr)),
        Event::Exchange { line, wire } if json => {
            let (command, response) = wire.map_or((None, None), |(command, response)| {
                (Some(hex::encode_upper(command)), Some(hex::encode_upper(response)))
            });
            let document = serde_json::json!({ "event": "exchange", "command": command, "response": response, "line": line });
            eprintln!("{}", serde_json::json!({ "trace": document }));
        }
        Event::Exchange { line, wire } => {
            eprintln!("{line}");
            if let Some((command, response)) = wire {
                eprintln!("        > {}\n        < {}", shown(command), shown(response));
            }
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(first) if bytes.len() > SHOWN => {
            format!("{}… ({} bytes)", hex::encode_upper(first), bytes.len())
        }
        _ => hex::encode_upper(bytes),
    }
}
