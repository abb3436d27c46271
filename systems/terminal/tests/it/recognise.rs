//! Which card lies in the reader: ours on both sides and in every state, a travel document, an older card, and others.

use apdu::{CardChannel, ChannelError};
use chip::Interface;
use terminal::Card;
use terminal::recognise::{CardKind, Middleware, kind_of_atr, recognise};

use crate::emrtd::Emrtd;
use crate::ours;

/// A card that answers every command with one status word.
struct Stubborn {
    atr: Vec<u8>,
    sw: [u8; 2],
    asked: usize,
}

impl CardChannel for Stubborn {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.asked += 1;
        Ok(self.sw.to_vec())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        Ok(self.atr.clone())
    }
}

fn kind(channel: impl CardChannel) -> CardKind {
    recognise(&mut Card::new(channel)).expect("the card answers")
}

// proves: CARD-54
#[test]
fn every_kind_of_card_gets_its_own_middleware() {
    for profile in ["national", "interop"] {
        for interface in [Interface::Contact, Interface::Contactless] {
            assert_eq!(kind(ours::open(&ours::card(profile), interface)), CardKind::NewEid, "{profile}");
        }
    }
    let mut passport = Emrtd::new(700);
    passport.aid = terminal::commands::AID_EMRTD.to_vec();
    assert_eq!(kind(passport), CardKind::TravelDocument);
    // As pcsc-tools lists them: contact, and contactless.
    for atr in ["3BD8960081B1FE451F074348544750 4B494ADD", "3B8B80010031C16408402130009000 57"] {
        let atr = hex::decode(atr.replace(' ', "")).expect("hex");
        let mut card = Card::new(Stubborn { atr, sw: [0x90, 0x00], asked: 0 });
        assert_eq!(recognise(&mut card), Ok(CardKind::NaturalPersonCertificate));
        assert_eq!(card.into_channel().asked, 0, "the answer to reset is enough");
    }
    let other = |sw| kind(Stubborn { atr: vec![0x3B, 0x00], sw, asked: 0 });
    assert_eq!(other([0x6A, 0x82]), CardKind::Other);
    assert_eq!(other([0x6E, 0x00]), CardKind::Other);
    // A suspended zone is there.
    assert_eq!(other([0x62, 0x83]), CardKind::NewEid);

    let middleware = [CardKind::NewEid, CardKind::NaturalPersonCertificate, CardKind::TravelDocument]
        .map(|kind| kind.middleware().expect("there is one"));
    assert_eq!(middleware, [Middleware::NewEid, Middleware::GovernmentPki, Middleware::TravelDocument]);
    assert_eq!(CardKind::Other.middleware(), None);
}

#[test]
fn no_answer_to_reset_makes_it_panic() {
    for length in 0..=33 {
        for byte in [0x00, 0x3B, 0x7F, 0xFF] {
            assert_eq!(kind_of_atr(&vec![byte; length]), None);
        }
    }
}
