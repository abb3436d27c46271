//! What a program does with an inserted card, live and in plain words. `neweid card insert` listens on a socket beside the
//! card's file, `SERIAL.watch`, that only the owner of the directory can reach; whoever connects gets one JSON
//! document per line from then on. Nothing is written to disk. A watcher that does not keep up is dropped, so that nobody who
//! watches can slow the card down.

use crate::cards::CardFile;
use crate::clock;
use crate::failure::{Failure, Fault};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use terminal::narrator::{Line, Narrator, Protection};

/// What a watcher is told. The names of the fields are a contract.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// First line for everybody who connects.
    Watching {
        serial: &'a str,
        interface: &'a str,
    },
    PowerOn,
    PowerOff,
    Reset,
    Exchange(&'a Line),
}

impl Event<'_> {
    fn text(&self) -> String {
        match self {
            Self::Watching { serial, interface } => {
                format!("旁觀卡片 {serial} | watching card {serial} ({interface})")
            }
            Self::PowerOn => "      上電 | power on".into(),
            Self::PowerOff => "      斷電，連線階段結束 | power off, the session is over".into(),
            Self::Reset => "      重置，連線階段重新開始 | reset, the session begins anew".into(),
            Self::Exchange(line) => line.to_string(),
        }
    }
}

/// An event with its time and its sentence.
#[derive(Serialize)]
struct Told<'a> {
    at: String,
    text: String,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// The card's end: follows the session and tells whoever listens.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<State>>);

struct State {
    narrator: Narrator,
    watchers: Vec<UnixStream>,
    serial: String,
    interface: &'static str,
    prints: Printing,
    socket: PathBuf,
}

/// What the process that holds the card prints of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printing {
    /// Nothing.
    Nothing,
    /// One sentence per event.
    Text,
    /// One JSON document per event, as a watcher gets it.
    Json,
}

impl Watch {
    /// Listens for watchers of a card that this process holds; prints everything itself too as `prints` says.
    pub fn open(card: &CardFile, interface: &'static str, prints: Printing) -> io::Result<Self> {
        let place = Place::open(card)?;
        let socket = place.socket(card);
        // The card's lock is ours: what is there was left by a process that was killed.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        let state = State {
            narrator: Narrator::new(),
            watchers: Vec::new(),
            serial: card.name.clone(),
            interface,
            prints,
            socket: card.path.with_extension("watch"),
        };
        let watch = Self(Arc::new(Mutex::new(state)));
        let accepting = watch.clone();
        std::thread::spawn(move || {
            // Kept for as long as the thread: the listener's name leads through it.
            let _place = place;
            for stream in listener.incoming().flatten() {
                accepting.state().welcome(stream);
            }
        });
        Ok(watch)
    }

    /// The card has power.
    pub fn power_on(&self) {
        self.state().new_session(&Event::PowerOn);
    }

    /// The card has no power.
    pub fn power_off(&self) {
        self.state().new_session(&Event::PowerOff);
    }

    /// The card was reset.
    pub fn reset(&self) {
        self.state().new_session(&Event::Reset);
    }

    /// A command and its answer.
    pub fn exchange(&self, exchange: &chip::Exchange<'_>) {
        let mut state = self.state();
        let protection = Protection::of(exchange.class);
        let line = if exchange.opened {
            state.narrator.exchange(protection, exchange.command, exchange.response)
        } else {
            state.narrator.sealed(protection, exchange.command, exchange.response)
        };
        state.tell(&Event::Exchange(&line));
    }

    /// Takes the socket away, before the process ends.
    pub fn close(&self) {
        let _ = std::fs::remove_file(&self.state().socket);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn welcome(&mut self, mut stream: UnixStream) {
        let event = Event::Watching { serial: &self.serial, interface: self.interface };
        let written = stream.set_nonblocking(true).and_then(|()| stream.write_all(&encode(&event)));
        if written.is_ok() {
            self.watchers.push(stream);
        }
    }

    fn new_session(&mut self, event: &Event<'_>) {
        self.narrator.reset();
        self.tell(event);
    }

    fn tell(&mut self, event: &Event<'_>) {
        match self.prints {
            Printing::Nothing => {}
            Printing::Text => say!("{} {}", time(), event.text()),
            Printing::Json => say!("{}", String::from_utf8_lossy(&encode(event)).trim_end()),
        }
        if !self.watchers.is_empty() {
            let line = encode(event);
            self.watchers.retain_mut(|watcher| watcher.write_all(&line).is_ok());
        }
    }
}

/// Connects to the process that holds the card.
pub fn attach(card: &CardFile) -> Result<UnixStream, Failure> {
    let place = Place::open(card)?;
    let name = &card.name;
    // A file is found again by its path only.
    let typed = if CardFile::is_named(name) { card.path.display().to_string() } else { name.clone() };
    UnixStream::connect(place.socket(card)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::new(
            "NEWEID-E-CARD-NOT-INSERTED",
            Fault::Caller,
            format!("卡片 {name} 不在讀卡機中。"),
            format!("Card {name} is in no reader."),
            format!("先插入 Insert it first: neweid card insert {typed} --interface contact"),
        ),
        _ => error.into(),
    })
}

/// The directory of the card. Names of sockets may have about a hundred characters, paths more, so they are reached through
/// the open directory.
struct Place(File);

impl Place {
    fn open(card: &CardFile) -> io::Result<Self> {
        let directory = card.path.parent().filter(|path| !path.as_os_str().is_empty());
        Ok(Self(File::open(directory.unwrap_or_else(|| Path::new(".")))?))
    }

    fn socket(&self, card: &CardFile) -> PathBuf {
        let name = card.path.with_extension("watch");
        let name = name.file_name().unwrap_or_default();
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())).join(name)
    }
}

fn encode(event: &Event<'_>) -> Vec<u8> {
    let told = Told { at: clock::now().to_string(), text: event.text(), event };
    // A struct of strings always has a JSON form.
    let mut line = serde_json::to_vec(&told).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The time of day, UTC, with milliseconds.
fn time() -> String {
    clock::now().strftime("%H:%M:%S%.3f").to_string()
}
