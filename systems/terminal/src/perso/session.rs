//! One SCP03 channel and what can be done in it.

use apdu::{CardChannel, Command};
use curve::{Random, SecretBytes};
use scp::{Host, HostSession, KeySet, SecurityLevel};

use super::cplc::{read_cplc, select_issuer};
use super::files::manifest;
use super::{
    ChipLifeCycle, ChipStatus, InitialisationRequest, InitialisedCard, PIN_MANAGEMENT_KEY_VERSION,
    PersoError, PersonalisationFiles,
};

/// Bytes of an object in one STORE DATA.
const BLOCK: usize = 3_000;

/// Which PIN of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PinReference {
    /// PIN1: six digits, opens the encrypted zone.
    Pin1 = 0x03,
    /// PIN2: eight to twelve digits, frees the certificate keys.
    Pin2 = 0x81,
}

/// An open SCP03 channel to the issuer security domain, security level 33.
pub struct Session<C: CardChannel> {
    channel: C,
    session: HostSession,
    key_version: u8,
}

impl<C: CardChannel> Session<C> {
    /// Selects the issuer security domain and authenticates both sides with the key set `key_version`.
    pub fn open(
        mut channel: C,
        key_version: u8,
        keys: &KeySet,
        rng: &mut dyn Random,
    ) -> Result<Self, PersoError> {
        select_issuer(&mut channel)?;
        let mut challenge = [0; 8];
        rng.fill(&mut challenge);
        let (command, host) = Host::initialize_update(key_version, &challenge)?;
        let authenticating = host.on_response(&channel.exchange(&command)?, keys)?;
        let (command, authenticated) = authenticating.external_authenticate(SecurityLevel::Full)?;
        let session = authenticated.on_response(&channel.exchange(&command)?)?;
        Ok(Self { channel, session, key_version })
    }

    /// Replaces the key set this session was opened with. Transport keys are replaced by the card centre's (versions 20 to
    /// 2F): from then on the card is the centre's. Open a new session with the new keys to go on.
    pub fn put_keys(&mut self, new_version: u8, keys: &KeySet) -> Result<(), PersoError> {
        self.put_key_set(self.key_version, new_version, keys)
    }

    /// Makes the key pairs and certification requests on the chip. On a card that is initialised already, with the same
    /// serial number and profile (by name or as a text), gives the same result again.
    pub fn initialise(&mut self, request: &InitialisationRequest) -> Result<InitialisedCard, PersoError> {
        let data =
            [tlv::encode(0xC0, request.serial.as_bytes()), tlv::encode(0xC1, request.profile.as_bytes())];
        self.send("INITIALISE", Command::new(0x80, 0x30, 0, 0).with_data(data.concat()))?;
        self.initialised_card()
    }

    /// What an initialised card reports, without changing it.
    pub fn initialised_card(&mut self) -> Result<InitialisedCard, PersoError> {
        let chip_id = self.status()?.chip_id.ok_or(PersoError::Malformed("GET DATA"))?;
        let csrs = (1..=4).map(|slot| Ok((slot, self.data(0x0300 | u16::from(slot))?)));
        let csrs = csrs.collect::<Result<_, PersoError>>()?;
        Ok(InitialisedCard { chip_id, csrs, aa_spki: self.data(0x0305)?, ca_spki: self.data(0x0306)? })
    }

    /// Writes everything and makes the card its holder's, in one last atomic step. Until then the card stays initialised
    /// and this can be repeated. The session ends with success: the centre's keys no longer open the card.
    pub fn personalise(&mut self, files: &PersonalisationFiles) -> Result<(), PersoError> {
        let begin = Command::new(0x80, 0x32, 0, 0).with_data(tlv::encode(0xC0, files.serial.as_bytes()));
        self.send("BEGIN PERSONALISATION", begin)?;
        let objects = files.objects();
        for (object, content) in &objects {
            self.store(*object, content)?;
        }
        self.put_key_set(0x00, PIN_MANAGEMENT_KEY_VERSION, &files.pin_management_keys)?;
        self.send("COMMIT", Command::new(0x80, 0x34, 0, 0).with_data(manifest(&objects)))?;
        Ok(())
    }

    /// The status of the card.
    pub fn status(&mut self) -> Result<ChipStatus, PersoError> {
        ChipStatus::parse(&self.data(0x00E0)?)
    }

    /// Where the card is in its life.
    pub fn life_cycle(&mut self) -> Result<ChipLifeCycle, PersoError> {
        Ok(self.status()?.life_cycle)
    }

    /// Sets a PIN, first or new, with all its tries.
    pub fn set_pin(&mut self, pin: PinReference, new: &SecretBytes) -> Result<(), PersoError> {
        let command = Command::new(0x80, 0x2C, 0x02, pin as u8).with_data(new.expose());
        self.send("RESET RETRY COUNTER", command).map(drop)
    }

    /// Gives a blocked PIN its tries back; the PIN stays what it was.
    pub fn unblock_pin(&mut self, pin: PinReference) -> Result<(), PersoError> {
        self.send("RESET RETRY COUNTER", Command::new(0x80, 0x2C, 0x03, pin as u8)).map(drop)
    }

    /// Puts another certificate for the same key, root or intermediate into a slot (1 to 6).
    pub fn replace_certificate(&mut self, slot: u8, der: &[u8]) -> Result<(), PersoError> {
        self.store(0x0400 | u16::from(slot), der)
    }

    /// Suspends an application: it stops answering until it is resumed.
    pub fn suspend_application(&mut self, aid: &[u8]) -> Result<(), PersoError> {
        self.set_status(0x40, 0x80, aid)
    }

    /// Resumes a suspended application.
    pub fn resume_application(&mut self, aid: &[u8]) -> Result<(), PersoError> {
        self.set_status(0x40, 0x00, aid)
    }

    /// Locks the whole card.
    pub fn lock_card(&mut self) -> Result<(), PersoError> {
        self.set_status(0x80, 0x7F, &[])
    }

    /// Unlocks the whole card.
    pub fn unlock_card(&mut self) -> Result<(), PersoError> {
        self.set_status(0x80, 0x0F, &[])
    }

    /// Erases the card for good. The session ends.
    pub fn terminate_card(&mut self) -> Result<(), PersoError> {
        self.set_status(0x80, 0xFF, &[])
    }

    /// Gives the channel back; the card keeps its power.
    pub fn into_channel(self) -> C {
        self.channel
    }

    fn set_status(&mut self, p1: u8, p2: u8, aid: &[u8]) -> Result<(), PersoError> {
        self.send("SET STATUS", Command::new(0x80, 0xF0, p1, p2).with_data(aid)).map(drop)
    }

    fn put_key_set(&mut self, replaces: u8, version: u8, keys: &KeySet) -> Result<(), PersoError> {
        let command = self.session.put_key(replaces, version, keys)?;
        let answer = self.send("PUT KEY", command)?;
        if answer == scp::confirmation(version, keys)? {
            Ok(())
        } else {
            Err(PersoError::Malformed("PUT KEY"))
        }
    }

    fn store(&mut self, object: u16, content: &[u8]) -> Result<(), PersoError> {
        let data = [&object.to_be_bytes(), content].concat();
        let count = data.len().div_ceil(BLOCK);
        for (number, block) in data.chunks(BLOCK).enumerate() {
            let last = if number + 1 == count { 0x80 } else { 0x00 };
            self.send("STORE DATA", Command::new(0x80, 0xE2, last, number as u8).with_data(block))?;
        }
        Ok(())
    }

    fn data(&mut self, tag: u16) -> Result<Vec<u8>, PersoError> {
        let [p1, p2] = tag.to_be_bytes();
        self.send("GET DATA", Command::new(0x80, 0xCA, p1, p2).with_le(65_536))
    }

    fn send(&mut self, name: &'static str, command: Command) -> Result<Vec<u8>, PersoError> {
        let response = self.channel.exchange(&self.session.wrap(&command)?)?;
        // Errors come without protection; everything else is verified first.
        self.session.unwrap(&response)?.into_ok().map_err(|sw| PersoError::Refused { command: name, sw })
    }
}

impl<C: CardChannel> Session<C> {
    /// The CPLC data. Ends the session: it is read in the clear.
    pub fn read_cplc(mut self) -> Result<super::Cplc, PersoError> {
        read_cplc(&mut self.channel)
    }
}

impl<C: CardChannel> std::fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session(key version {:02X})", self.key_version)
    }
}
