//! `neweid card insert`: holds a virtual card against a virtual reader until interrupted.
//!
//! The card file is locked for as long as the card is in the reader, as a real card can be in one place only. When the
//! reader goes away (pcscd restarted) the card waits for it and goes back in.

use crate::cards::{self, CardFile};
use crate::cli::Interface;
use crate::clock;
use crate::failure::{Failure, Fault};
use crate::signals::Interruption;
use crate::vpcd::{CONTACT_PORT, CONTACTLESS_PORT, Request, Slot};
use crate::watch::{Printing, Watch};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long a reader may take to feel a card. pcscd looks about every 400 ms.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is told on standard output.
#[derive(Clone, Copy)]
pub struct Telling {
    /// Every command that arrives.
    pub watch: bool,
    /// In JSON, one document per line.
    pub json: bool,
}

impl Telling {
    fn printing(self) -> Printing {
        match (self.watch, self.json) {
            (false, _) => Printing::Nothing,
            (true, false) => Printing::Text,
            (true, true) => Printing::Json,
        }
    }

    /// One of the events that are not the chip's: `waiting`, `inserted`, `taken_out`.
    fn event(self, event: &str, card: &CardFile, reader: SocketAddr, text: &str) {
        if self.json {
            let at = clock::now().to_string();
            let reader = reader.to_string();
            say!(
                "{}",
                serde_json::json!({ "at": at, "event": event, "card": card.name, "reader": reader, "text": text })
            );
        } else {
            say!("{text}");
        }
    }
}

/// Runs the command.
pub async fn run(
    card: &str,
    dir: &Path,
    interface: Interface,
    vpcd: Option<&str>,
    telling: Telling,
) -> Result<ExitCode, Failure> {
    let card = CardFile::find(card, dir)?;
    let mut chip = cards::open_file(&card)?;
    let address = address(interface, vpcd)?;
    let side = match interface {
        Interface::Contact => chip::Interface::Contact,
        Interface::Contactless => chip::Interface::Contactless,
    };
    let mut interruption = Interruption::listen()?;
    let watch = Watch::open(&card, interface.as_str(), telling.printing())?;
    let seen = watch.clone();
    chip.observe(move |exchange| seen.exchange(exchange));
    let _close = Close(watch.clone());
    let slot = Slot::connect(address).map_err(|error| unreachable(address, &error))?;
    if !slot.is_felt(PATIENCE).map_err(|error| unreachable(address, &error))? {
        let waiting = format!(
            "讀卡機 {address} 沒有回應，可能已有另一張卡片；等候中。\n\
             The reader at {address} is silent, perhaps because another card is in it; waiting."
        );
        telling.event("waiting", &card, address, &waiting);
    }
    let inserted = format!(
        "已插入 Inserted {} ({interface:?}) at {address}. 按 Ctrl-C 取出 Press Ctrl-C to take it out.",
        card.name
    );
    telling.event("inserted", &card, address, &inserted);
    let seen = watch.clone();
    let worker = tokio::task::spawn_blocking(move || hold(&mut chip, side, slot, address, &seen));
    tokio::select! {
        result = worker => result.map_err(Failure::ours)?,
        () = interruption.wait() => {
            // The card is taken out: the connection ends with the process, as power does with a card pulled out of its
            // reader. What it was writing is whole or absent.
            telling.event("taken_out", &card, address, &format!("已取出 Taken out {}.", card.name));
            watch.close();
            std::process::exit(0);
        }
    }
}

/// Takes the watchers' socket away when the card is taken out.
struct Close(Watch);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn hold(
    chip: &mut chip::Chip,
    side: chip::Interface,
    mut slot: Slot,
    address: SocketAddr,
    watch: &Watch,
) -> Result<ExitCode, Failure> {
    // The same at every power on.
    let atr = chip.power_on(side);
    chip.power_off();
    loop {
        match serve(chip, side, &atr, &mut slot, Some(watch)) {
            Err(error) if is_reader_gone(&error) => {
                chip.power_off();
                watch.power_off();
                tracing::info!(%address, "reader went away, waiting for it");
                slot = loop {
                    std::thread::sleep(Duration::from_millis(500));
                    if let Ok(slot) = Slot::connect(address) {
                        break slot;
                    }
                };
            }
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
    }
}

// One message of the reader: control codes have no answer but the ATR's.
fn serve(
    chip: &mut chip::Chip,
    side: chip::Interface,
    atr: &[u8],
    slot: &mut Slot,
    watch: Option<&Watch>,
) -> io::Result<()> {
    let tell = |what: fn(&Watch)| watch.into_iter().for_each(what);
    match slot.receive()? {
        Request::PowerOff => {
            chip.power_off();
            tell(Watch::power_off);
        }
        Request::PowerOn => {
            chip.power_on(side);
            tell(Watch::power_on);
        }
        Request::Reset => {
            chip.power_on(side);
            tell(Watch::reset);
        }
        // vpcd asks several times a second whether the card is still there, also between two commands of a session:
        // the answer must leave the session alone.
        Request::Atr => slot.send(atr)?,
        Request::Apdu(command) => {
            let outcome = chip.process_timed(side, &command);
            if outcome.response.is_empty() {
                return Err(io::Error::other("the chip has lost its memory"));
            }
            // CARD-56: a card slows down after wrong access numbers.
            std::thread::sleep(outcome.busy);
            slot.send(&outcome.response)?;
        }
    }
    Ok(())
}

fn is_reader_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

fn address(interface: Interface, vpcd: Option<&str>) -> Result<SocketAddr, Failure> {
    let default = match interface {
        Interface::Contact => CONTACT_PORT,
        Interface::Contactless => CONTACTLESS_PORT,
    };
    let text = vpcd.map_or_else(|| format!("127.0.0.1:{default}"), str::to_owned);
    text.to_socket_addrs().ok().and_then(|mut all| all.next()).ok_or_else(|| {
        Failure::new(
            "NEWEID-E-VPCD-ADDRESS",
            Fault::Caller,
            format!("「{text}」不是 HOST:PORT。"),
            format!("`{text}` is not HOST:PORT."),
            "例 Example: --vpcd 127.0.0.1:35963",
        )
        .exit(2)
    })
}

fn unreachable(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::new(
        "NEWEID-E-VPCD-UNREACHABLE",
        Fault::Environment,
        format!("無法連接虛擬讀卡機 {address}：{error}"),
        format!("The virtual reader at {address} cannot be reached: {error}"),
        "安裝 vsmartcard-vpcd 並啟動 pcscd Install vsmartcard-vpcd and start pcscd; `neweid doctor` says how.",
    )
    .exit(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    // The reader asks for the ATR whenever it wants to know whether the card is still there.
    #[test]
    fn asking_for_the_atr_leaves_the_session_alone() {
        let keys = scp_keys();
        let data = chip::FactoryData::new([1; 8], keys);
        let random = || Box::new(curve::SeedRandom::new(b"card insert"));
        let mut chip =
            chip::factory::manufacture(Box::new(chip::RamMemory::new()), &data, random()).expect("a chip");
        let atr = chip.power_on(chip::Interface::Contact);

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut slot = Slot::connect(listener.local_addr().expect("bound")).expect("listening");
        let (mut reader, _) = listener.accept().expect("connected");
        let mut ask = |message: &[u8], answers: bool| {
            let length = u16::try_from(message.len()).expect("short").to_be_bytes();
            reader.write_all(&[&length, message].concat()).expect("connected");
            serve(&mut chip, chip::Interface::Contact, &atr, &mut slot, None).expect("connected");
            if !answers {
                return Vec::new();
            }
            let mut length = [0; 2];
            reader.read_exact(&mut length).expect("an answer");
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            reader.read_exact(&mut answer).expect("an answer");
            answer
        };
        const GET_DATA: &[u8] = &[0x80, 0xCA, 0x9F, 0x7F, 0x00];
        const GONE: &[u8] = &[0x69, 0x85];
        ask(&[1], false);
        // After power on the issuer security domain is selected, and answers; another selection is session state.
        assert_ne!(ask(GET_DATA, true), GONE);
        assert_eq!(ask(&[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00], true), [0x90, 0x00]);
        assert_eq!(ask(GET_DATA, true), GONE);
        assert_eq!(ask(&[4], true), atr);
        assert_eq!(ask(GET_DATA, true), GONE);
        ask(&[2], false);
        assert_ne!(ask(GET_DATA, true), GONE);
    }

    fn scp_keys() -> scp::KeySet {
        scp::KeySet::new(&[1; 16], &[2; 16], &[3; 16]).expect("AES keys")
    }
}
