//! Random sessions with whole cards of every profile: in random order and on either interface the public zone is read with one
//! of its passwords, the encrypted zone is read by an agency, and keys of the certificate zone sign and decipher. Everything
//! must verify. A failure is printed with the seed that repeats it.

use crate::Failure;
use crate::country::{CAN, Channel, Country, PIN1, PIN2, now, public_zone};
use crate::figure::Figure;
use chip::{Chip, Flash, Interface, Profile, RamMemory};
use curve::{Random, SeedRandom};
use eac::Password;
use model::KeySlot;
use terminal::eid::{Grant, TerminalIdentity, read_encrypted_zone};
use terminal::npc_card::NpcCard;
use terminal::{ReadOptions, TrustStore, Verdict, read_card};

const GROUP: &str = "random sessions with the whole chip";
/// The most that is done in one session.
const MOST: usize = 4;

/// What somebody does with a card.
#[derive(Debug, Clone, Copy)]
enum Act {
    Public { with_mrz: bool },
    Encrypted,
    Key { slot: KeySlot, in_clear: bool },
}

impl Act {
    fn random(interface: Interface, profile: &Profile, rng: &mut dyn Random) -> Self {
        let mut bytes = [0; 3];
        rng.fill(&mut bytes);
        let [what, slot, way] = bytes;
        // The other two zones are on contact alone.
        if interface == Interface::Contactless || what % 3 == 0 {
            return Self::Public { with_mrz: way & 1 == 1 };
        }
        if what % 3 == 1 {
            return Self::Encrypted;
        }
        let slots = [KeySlot::SigningRsa, KeySlot::EncryptionRsa, KeySlot::SigningEc, KeySlot::EncryptionEc];
        Self::Key { slot: slots[usize::from(slot % 4)], in_clear: profile.sample && way & 1 == 1 }
    }
}

/// What a reader brings to each session.
struct Reader {
    trust: TrustStore,
    agency: TerminalIdentity,
    mrz: String,
}

pub(crate) fn run(sessions: usize, seed: Option<&str>) -> Result<Vec<Figure>, Failure> {
    let seed = crate::rounds::seed(seed);
    let country = Country::new()?;
    let mrz = public_zone(&[]).td1()?.information();
    let reader = Reader { trust: country.trust()?, agency: country.agency()?, mrz };
    let results: Vec<Result<(usize, usize), Failure>> = std::thread::scope(|scope| {
        let workers: Vec<_> = Profile::built_in()
            .iter()
            .map(|profile| {
                let (country, reader, seed) = (&country, &reader, &seed);
                scope.spawn(move || {
                    let flash = country.card_of(&profile.name)?;
                    country.set_pins(&flash)?;
                    Ok(of_profile(profile, &flash, reader, sessions, seed))
                })
            })
            .collect();
        let join = |w: std::thread::ScopedJoinHandle<'_, _>| {
            w.join().unwrap_or_else(|_| Err("a card has panicked".into()))
        };
        workers.into_iter().map(join).collect()
    });
    let (mut figures, mut failed) = (Vec::new(), 0);
    for (profile, result) in Profile::built_in().iter().zip(results) {
        let (acts, failures) = result.map_err(|failure| format!("{}: {failure}", profile.name))?;
        failed += failures;
        let name =
            format!("{}: failures, {sessions} sessions, {acts} readings and uses of keys", profile.name);
        figures.push(Figure::new(GROUP, name, failures as f64, "").beside("allowed", 0.0));
    }
    if failed > 0 {
        return Err(format!("{failed} of the random sessions failed").into());
    }
    Ok(figures)
}

/// The number of acts and of failures.
fn of_profile(
    profile: &Profile,
    flash: &Flash,
    reader: &Reader,
    sessions: usize,
    seed: &str,
) -> (usize, usize) {
    let (mut acts, mut failures) = (0, 0);
    for number in 0..sessions {
        let seed = format!("{seed} {} {number}", profile.name);
        let mut rng = SeedRandom::new(seed.as_bytes());
        let mut bytes = [0; 2];
        rng.fill(&mut bytes);
        let interface = Interface::ALL[usize::from(bytes[0] % 4 == 0)];
        let mut channel = match open(flash, interface, &seed) {
            Ok(channel) => channel,
            Err(failure) => {
                eprintln!("bench: session with seed \"{seed}\": {failure}");
                failures += 1;
                continue;
            }
        };
        for _ in 0..=usize::from(bytes[1]) % MOST {
            let act = Act::random(interface, profile, &mut rng);
            acts += 1;
            if let Err(failure) = reader.does(act, &mut channel, &mut rng) {
                eprintln!("bench: session with seed \"{seed}\", {interface:?}, {act:?}: {failure}");
                failures += 1;
            }
        }
    }
    (acts, failures)
}

fn open(flash: &Flash, interface: Interface, seed: &str) -> Result<Channel, Failure> {
    let memory = Box::new(RamMemory::open(flash.clone())?);
    let random = SeedRandom::new(format!("chip {seed}").as_bytes());
    Ok(Channel::new(Chip::open(memory, Box::new(random))?, interface))
}

impl Reader {
    fn does(&self, act: Act, channel: &mut Channel, rng: &mut dyn Random) -> Result<(), Failure> {
        match act {
            Act::Public { with_mrz } => {
                let password =
                    if with_mrz { Password::mrz_information(&self.mrz) } else { Password::can(CAN) };
                let report = read_card(channel, &password, &self.trust, &ReadOptions::default(), now(), rng);
                match report.verdict {
                    Verdict::Verified => Ok(()),
                    verdict => Err(format!("the public zone: {verdict:?}").into()),
                }
            }
            Act::Encrypted => {
                let password = Password::pin(PIN1.as_bytes());
                let (agency, trust) = (&self.agency, &self.trust);
                let report =
                    read_encrypted_zone(channel, &password, None, agency, Grant::ALL, trust, now(), rng);
                match report.verdict {
                    Verdict::Verified => Ok(()),
                    _ => Err(format!("the encrypted zone: {}", report.detail).into()),
                }
            }
            Act::Key { slot, in_clear } => {
                let mut zone = match in_clear {
                    true => NpcCard::open_in_clear(channel)?,
                    false => NpcCard::open(channel, &Password::can(CAN), rng)?,
                };
                zone.verify_pin2(&PIN2.as_bytes().into())?;
                if zone.key_fits(slot, rng)? {
                    Ok(())
                } else {
                    Err("the key is not the certificate's".into())
                }
            }
        }
    }
}
