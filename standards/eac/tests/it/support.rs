//! Vector files, a random source that follows a script, and a chip in a few lines.

use std::collections::VecDeque;

use apdu::{Command, Response, StatusWord};
use curve::{Random, SecretBytes, SecretKey};
use eac::pace::chip::{Next, Pace};
use eac::pace::{Parameters, SetAuthenticationTemplate};

/// The lines `name = value` of a vector file, in order.
pub(crate) struct Vectors(Vec<(String, String)>);

impl Vectors {
    pub(crate) fn read(file: &str) -> Self {
        let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("vector file");
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            lines
                .map(|line| line.split_once(" = ").expect("name = value"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let value = self.lines().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1;
        hex::decode(value).expect("hex")
    }

    pub(crate) fn secret(&self, name: &str) -> SecretBytes {
        self.bytes(name).into()
    }

    /// The APDU pairs of the file.
    pub(crate) fn exchanges(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let all =
            |name| self.lines().filter(move |(n, _)| *n == name).map(|(_, v)| hex::decode(v).expect("hex"));
        all("command").zip(all("response")).collect()
    }
}

/// Gives out the values it was made from, one for each call. Key generation takes a value that is in range as it is, so
/// the key pairs of a worked example can be put in without a hook in the production code.
pub(crate) struct Script(VecDeque<Vec<u8>>);

impl Script {
    pub(crate) fn new(values: &[Vec<u8>]) -> Self {
        Self(values.iter().cloned().collect())
    }
}

impl Random for Script {
    fn fill(&mut self, out: &mut [u8]) {
        let next = self.0.pop_front().expect("the script has a value for every draw");
        out.copy_from_slice(&next);
    }
}

/// A chip that knows one password and speaks nothing but PACE.
pub(crate) struct PaceChip {
    pub(crate) key: SecretBytes,
    pub(crate) offers: Vec<Parameters>,
    /// The static key of chip authentication mapping.
    pub(crate) chip_key: Option<SecretKey>,
    run: Option<Pace>,
    pub(crate) session: Option<eac::pace::chip::Session>,
}

impl PaceChip {
    pub(crate) fn new(offers: &[Parameters], key: SecretBytes) -> Self {
        Self { key, offers: offers.to_vec(), chip_key: None, run: None, session: None }
    }

    pub(crate) fn process(&mut self, command: &Command, rng: &mut dyn Random) -> Response {
        self.try_process(command, rng).unwrap_or_else(|error| Response::from(error.status_word()))
    }

    fn try_process(&mut self, command: &Command, rng: &mut dyn Random) -> Result<Response, eac::Error> {
        if command.ins == 0x22 {
            let template = SetAuthenticationTemplate::parse(&command.data)?;
            let run = Pace::start(template.select(&self.offers)?, self.key.clone());
            self.run = Some(match &self.chip_key {
                Some(key) => run.with_chip_key(key.clone()),
                None => run,
            });
            return Ok(StatusWord::OK.into());
        }
        let Some(run) = self.run.take() else {
            return Ok(StatusWord::CONDITIONS_NOT_SATISFIED.into());
        };
        assert_eq!(command.cla, if run.is_last_step() { 0x00 } else { 0x10 }, "chaining bit");
        let (data, next) = run.step(&command.data, rng)?;
        match next {
            Next::Continue(run) => self.run = Some(run),
            Next::Done(session) => self.session = Some(session),
        }
        Ok(Response::ok(data))
    }
}
