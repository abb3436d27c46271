//! A window into the chip for whoever holds it and wants to see what a program asks of it. A real chip has none; this one
//! opens it only to the process that runs it ([`crate::Chip::observe`]), never through an APDU.

use apdu::{Command, Response};

use crate::Interface;
use crate::instruction::{Protection, protection};

/// One command as the chip understood it, and its answer.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The side it came through.
    pub interface: Interface,
    /// Its class byte as it travelled.
    pub class: u8,
    /// Whether its protection was taken off: then `command` and `response` are what was inside. Otherwise they are what
    /// travelled, for a plain command the same.
    pub opened: bool,
    /// The command; of a chain, the whole command once the last part has come.
    pub command: &'a Command,
    /// The answer.
    pub response: &'a Response,
}

/// Whoever is told of each command after it was answered.
type Watcher = dyn FnMut(&Exchange<'_>) + Send;

/// Whoever looks in, and what is known of the command under way.
#[derive(Default)]
pub(crate) struct Observer {
    watcher: Option<Box<Watcher>>,
    command: Option<Command>,
    response: Option<Response>,
}

impl Observer {
    pub(crate) fn set(&mut self, watcher: Box<Watcher>) {
        self.watcher = Some(watcher);
    }

    /// The command under its protection, its chain joined.
    pub(crate) fn note_command(&mut self, command: &Command) {
        if self.watcher.is_some() {
            self.command = Some(command.clone());
        }
    }

    /// The answer before it was protected.
    pub(crate) fn note_response(&mut self, response: &Response) {
        if self.watcher.is_some() {
            self.response = Some(response.clone());
        }
    }

    /// Tells of one exchange; `command` and `response` are what travelled.
    pub(crate) fn tell(&mut self, interface: Interface, command: &[u8], response: &[u8]) {
        let Some(watcher) = &mut self.watcher else { return };
        let (inner_command, inner_response) = (self.command.take(), self.response.take());
        // A chip without power says nothing, and what is no APDU has no meaning.
        let (Ok(outer_command), Some(outer_response)) = (Command::parse(command), Response::parse(response))
        else {
            return;
        };
        let class = outer_command.cla;
        let plain = matches!(protection(class), Ok(Protection::Plain) | Err(_));
        let exchange = match (&inner_command, &inner_response) {
            (Some(command), Some(response)) => Exchange { interface, class, opened: true, command, response },
            (Some(command), None) if plain => {
                Exchange { interface, class, opened: true, command, response: &outer_response }
            }
            _ => Exchange {
                interface,
                class,
                opened: plain,
                command: &outer_command,
                response: &outer_response,
            },
        };
        watcher(&exchange);
    }
}
