//! SELECT (ISO/IEC 7816-4 §11.2.2).

use apdu::{Command, Response, StatusWord};

use crate::application::Application;
use crate::chip::Chip;
use crate::error::{Fault, Reply};
use crate::files::{Content, Directory, File, by_fid};
use crate::life_cycle::LifeCycle;

/// What SELECT answers with (P2, bits 4-3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Template {
    Fci,
    Fcp,
    Nothing,
}

impl TryFrom<u8> for Template {
    type Error = StatusWord;

    fn try_from(p2: u8) -> Result<Self, StatusWord> {
        match p2 {
            0x00 => Ok(Self::Fci),
            0x04 => Ok(Self::Fcp),
            0x0C => Ok(Self::Nothing),
            // Next and last occurrence, file management data.
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }
}

/// What was found.
#[derive(Clone, Copy)]
enum Target {
    Application(Application),
    File(Application, &'static File),
}

impl Chip {
    pub(crate) fn select(&mut self, command: &Command) -> Reply {
        let template = Template::try_from(command.p2)?;
        let current = self.session.selected;
        let target = match (command.p1, command.data.as_slice()) {
            (0x00 | 0x03, []) | (0x00, [0x3F, 0x00]) => Target::Application(Application::Master),
            (0x00, [hi, lo]) => {
                let fid = u16::from_be_bytes([*hi, *lo]);
                find_file(current, fid)
                    .or_else(|| {
                        (fid == Application::Pkcs15.fid()).then_some(Target::Application(Application::Pkcs15))
                    })
                    .or_else(|| find_file(Application::Master, fid))
                    .ok_or(StatusWord::FILE_NOT_FOUND)?
            }
            (0x02, [hi, lo]) => {
                find_file(current, u16::from_be_bytes([*hi, *lo])).ok_or(StatusWord::FILE_NOT_FOUND)?
            }
            (0x04, aid) => Target::Application(Application::from_aid(aid).ok_or(StatusWord::FILE_NOT_FOUND)?),
            // Clients of a SmartCard-HSM name paths as if its application were the whole card, and go on using it.
            (0x08, path) if current != Application::SmartCardHsm => follow(Application::Master, path)?,
            // 3F00 is the MF everywhere: programs send the absolute paths of PKCS #15 as paths from the current application.
            (0x09, [0x3F, 0x00]) => Target::Application(Application::Master),
            (0x09, [0x3F, 0x00, path @ ..]) => follow(Application::Master, path)?,
            (0x08 | 0x09, path) => follow(current, path)?,
            (0x00 | 0x02 | 0x03, _) => return Err(StatusWord::WRONG_DATA.into()),
            _ => return Err(StatusWord::INCORRECT_P1_P2.into()),
        };
        match target {
            Target::Application(application) => {
                self.application_answers(application)?;
                self.session.select(application);
            }
            Target::File(application, file) => {
                self.application_answers(application)?;
                self.may_read(file)?;
                self.content(file)?;
                if application != current {
                    self.session.select(application);
                }
                self.session.file = Some(file);
            }
        }
        Ok(Response::ok(self.control_information(target, template)?))
    }

    /// Whether an application is there at all: installed on this interface, opened, not suspended.
    fn application_answers(&self, application: Application) -> Result<(), StatusWord> {
        if application == Application::Master {
            return Ok(());
        }
        let interface = self.session.interface;
        if application == Application::Issuer {
            let contact = interface == crate::Interface::Contact;
            return if contact { Ok(()) } else { Err(StatusWord::FILE_NOT_FOUND) };
        }
        if self.state == LifeCycle::Locked {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        // CARD-31, CARD-34, CARD-40: what may not answer behaves as absent.
        let installed = self.state.is_in_use()
            && self.profile.is_some_and(|p| application.answers(p, interface))
            && (application.zone() != crate::Zone::Certificate || self.nvm.certificate_zone_is_open());
        if !installed {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        // ISO/IEC 7816-4 §5.6: 6283, selected file deactivated.
        if self.nvm.is_suspended(application) { Err(StatusWord::DEACTIVATED) } else { Ok(()) }
    }

    /// The applications that answer now, in the order of EF.DIR.
    pub(crate) fn answering_applications(&self) -> impl Iterator<Item = Application> + '_ {
        Application::ALL
            .into_iter()
            .filter(|a| *a != Application::Issuer && self.application_answers(*a).is_ok())
    }

    // ISO/IEC 7816-4 §7.4: file control parameters.
    fn control_information(&self, target: Target, template: Template) -> Result<Vec<u8>, Fault> {
        let mut objects = Vec::new();
        let mut object = |tag, value: &[u8]| objects.extend(tlv::encode(tag, value));
        match target {
            Target::Application(application) => {
                object(0x82, &[0x38]);
                object(0x83, &application.fid().to_be_bytes());
                if application != Application::Master {
                    object(0x84, application.aid());
                }
                if application == Application::SmartCardHsm {
                    // Options, type and version as clients of this profile read them: nothing that `initialize` may
                    // switch on, none of the known types, no session PIN (bit 3 of the type), version 3.5.
                    object(0x85, &[0x00, 0xF0, 0x03, 0x05]);
                }
            }
            Target::File(_, file) => {
                object(0x80, &(self.content(file)?.len() as u32).to_be_bytes()[2..]);
                object(0x82, &[0x01]);
                object(0x83, &file.fid.to_be_bytes());
                if let Some(sfi) = file.sfi {
                    object(0x88, &[sfi << 3]);
                }
            }
        }
        object(0x8A, &[0x05]);
        Ok(match template {
            Template::Nothing => Vec::new(),
            Template::Fcp => tlv::encode(0x62, &objects),
            Template::Fci => tlv::encode(0x6F, &objects),
        })
    }
}

fn find_file(application: Application, fid: u16) -> Option<Target> {
    let file = by_fid(Directory::of(application)?, fid)?;
    // A private key has a name but is no file.
    (!matches!(file.content, Content::PrivateKey(_))).then_some(Target::File(application, file))
}

/// A path of file identifiers.
fn follow(from: Application, path: &[u8]) -> Result<Target, StatusWord> {
    let (fids, []) = path.as_chunks::<2>() else {
        return Err(StatusWord::WRONG_DATA);
    };
    let mut application = from;
    let Some((last, directories)) = fids.split_last() else {
        return Err(StatusWord::WRONG_DATA);
    };
    for fid in directories {
        application = directory(application, u16::from_be_bytes(*fid)).ok_or(StatusWord::FILE_NOT_FOUND)?;
    }
    let last = u16::from_be_bytes(*last);
    find_file(application, last)
        .or_else(|| directory(application, last).map(Target::Application))
        .ok_or(StatusWord::FILE_NOT_FOUND)
}

/// The one directory below the MF that has a path.
fn directory(parent: Application, fid: u16) -> Option<Application> {
    (parent == Application::Master && fid == Application::Pkcs15.fid()).then_some(Application::Pkcs15)
}
