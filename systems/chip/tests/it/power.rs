//! The power is cut at every write of initialisation and personalisation, in three ways each.

use chip::{Cut, Flash, Interface, LifeCycle};

use crate::support::*;

const CUTS: [Cut; 3] = [Cut::Before, Cut::Torn, Cut::After];

/// Runs `step` on copies of `start`, cutting the power at its first, second, ... write, until a run is not cut any more.
/// `check` sees the cells after each cut, with power restored. Returns how many writes there were.
fn at_every_write(start: &Flash, step: impl Fn(&Flash) -> bool, check: impl Fn(&Flash, Cut)) -> usize {
    for n in 1.. {
        for cut in CUTS {
            let flash = Flash::from_image(start.image());
            flash.cut_power(n, cut);
            let done = step(&flash);
            let reached = flash.writes() >= n;
            assert!(done != reached, "a cut is noticed, and nothing else fails");
            if !reached {
                return n - 1;
            }
            flash.restore_power();
            check(&flash, cut);
        }
    }
    unreachable!()
}

fn life_cycle(flash: &Flash) -> LifeCycle {
    open(flash).life_cycle()
}

// proves: PRODUCTION-26
#[test]
fn initialisation_is_whole_or_absent() {
    let start = Stage::Washed.flash();
    let initialise = |flash: &Flash| {
        let channel = contact(open(flash));
        terminal::perso::Session::open(channel, 0x20, &centre_keys(), &mut rng("host"))
            .and_then(|mut session| session.initialise(&request("national")))
            .is_ok()
    };
    let writes = at_every_write(&start, initialise, |flash, _| {
        let state = life_cycle(flash);
        assert!(matches!(state, LifeCycle::Washed | LifeCycle::Initialised), "{state:?}");
        if state == LifeCycle::Initialised {
            let card = centre(flash).initialised_card().unwrap();
            assert_eq!(card.csrs.len(), 4);
        }
        // Either way it can be done, or repeated, now.
        let card = centre(flash).initialise(&request("national")).unwrap();
        for (_, der) in &card.csrs {
            x509::csr::Csr::parse(der).unwrap().verify().unwrap();
        }
    });
    // Two of the authentication, one of the initialisation itself.
    assert_eq!(writes, 3);
}

// proves: PRODUCTION-33
#[test]
fn a_card_is_initialised_or_personalised_and_never_between() {
    let start = Stage::Initialised("interop").flash();
    let card = centre(&start).initialised_card().unwrap();
    let package = files_of("interop", &card, true);
    let personalise = |flash: &Flash| {
        let channel = contact(open(flash));
        terminal::perso::Session::open(channel, 0x20, &centre_keys(), &mut rng("host"))
            .and_then(|mut session| session.personalise(&package))
            .is_ok()
    };
    let writes = at_every_write(&start, personalise, |flash, cut| {
        let state = life_cycle(flash);
        if state == LifeCycle::Initialised {
            // To a reader there is nothing there, whatever has been written already.
            let mut reader = Reader::new(open(flash), Interface::Contact);
            for aid in [HOUSEHOLD, PUBLIC, EMRTD, EID, SC_HSM, PKCS15] {
                assert_eq!(reader.select(aid), 0x6A82);
            }
            reader.select_mf();
            assert_eq!(reader.read_sfi(0x1E).sw.0, 0x6985);
            // It still has its keys, and is personalised by doing it again, from the beginning.
            assert_eq!(centre(flash).initialised_card().unwrap(), card);
            centre(flash).personalise(&package).unwrap();
        } else {
            assert_eq!(
                (state, cut),
                (LifeCycle::Personalised, Cut::After),
                "only the last write can do that"
            );
        }
        let mut reader = Reader::new(open(flash), Interface::Contact);
        reader.pace(&can()).unwrap();
        reader.select(EMRTD);
        assert_eq!(reader.read_sfi(1).data, tlv::encode(0x61, &[0x61; 93]));
        assert_eq!(management(flash).status().unwrap().serial.as_deref(), Some(SERIAL));
    });
    // Authentication 2, begin, 21 objects and 15 of the encrypted zone, PIN management keys, commit.
    assert_eq!(writes, 2 + 1 + 36 + 1 + 1);
}

// A package of another card's data that was interrupted leaves nothing in the next one.
// proves: PRODUCTION-33
#[test]
fn what_an_interrupted_attempt_has_left_does_not_reach_the_card() {
    let flash = Stage::Initialised("national").flash();
    let card = centre(&flash).initialised_card().unwrap();
    let first = files(&card, true);
    flash.cut_power(16, Cut::Before);
    centre(&flash).personalise(&first).unwrap_err();
    flash.restore_power();
    // The second package has no certificates: those of the first must not open the zone.
    centre(&flash).personalise(&files(&card, false)).unwrap();
    let mut reader = Reader::new(open(&flash), Interface::Contact);
    assert_eq!(reader.select(SC_HSM), 0x6A82);
}

#[test]
fn washing_is_whole_or_absent() {
    let start = Stage::Delivered.flash();
    let wash = |flash: &Flash| {
        let channel = contact(open(flash));
        terminal::perso::Session::open(channel, 0x01, &transport_keys(), &mut rng("host"))
            .and_then(|mut session| session.put_keys(0x20, &centre_keys()))
            .is_ok()
    };
    at_every_write(&start, wash, |flash, _| {
        let channel = contact(open(flash));
        let old = terminal::perso::Session::open(channel, 0x01, &transport_keys(), &mut rng("host"));
        let channel = contact(open(flash));
        let new = terminal::perso::Session::open(channel, 0x20, &centre_keys(), &mut rng("host"));
        match life_cycle(flash) {
            LifeCycle::Delivered => assert!(old.is_ok() && new.is_err()),
            LifeCycle::Washed => assert!(old.is_err() && new.is_ok()),
            other => panic!("{other:?}"),
        }
    });
}

// proves: CARD-05
#[test]
fn a_package_that_does_not_fit_is_refused_and_the_card_stays_initialised() {
    let flash = Stage::Initialised("national").flash();
    let mut session = centre(&flash);
    let card = session.initialised_card().unwrap();
    let mut package = files(&card, true);
    // The portrait and a second object together exceed the 120 KB.
    package.public[2].1 = tlv::encode(0x75, &vec![1; 65_000]);
    package.public[5].1 = tlv::encode(0x6D, &vec![2; 60_000]);
    assert_eq!(session.personalise(&package).unwrap_err().status_word().unwrap().0, 0x6A84);
    assert_eq!(life_cycle(&flash), LifeCycle::Initialised);
    let status = centre(&flash).status().unwrap();
    assert_eq!(status.budget, 120 * 1024);
    assert!(status.memory_in_use() <= status.budget);
    centre(&flash).personalise(&files(&card, true)).unwrap();
    let status = management(&flash).status().unwrap();
    let by_zone: std::collections::HashMap<u8, u32> = status.memory.into_iter().collect();
    // Household, public with the portrait, encrypted, certificate zone with keys and certificates; nothing is in no zone but what
    // the chip needs itself.
    assert!((900..2_000).contains(&by_zone[&1]), "{by_zone:?}");
    assert!((17_000..20_000).contains(&by_zone[&2]), "{by_zone:?}");
    assert!((1_000..5_000).contains(&by_zone[&3]), "{by_zone:?}");
    assert!((3_000..8_000).contains(&by_zone[&4]), "{by_zone:?}");
}

// CARD-49 asks for a count of failures; a count that a cut of the power could escape would be none.
// proves: CARD-49
#[test]
fn no_try_is_won_by_cutting_the_power() {
    let verify = |flash: &Flash, pin: &[u8]| {
        let mut channel = contact(open(flash));
        let select = apdu::Command::new(0, 0xA4, 4, 0x0C).with_data(SC_HSM);
        apdu::CardChannel::exchange(&mut channel, &select).unwrap();
        apdu::CardChannel::exchange(&mut channel, &apdu::Command::new(0, 0x20, 0, 0x81).with_data(pin))
            .map(|r| r.sw.0)
    };
    let status = |flash: &Flash| verify(flash, b"").unwrap();
    let start = Stage::InUse("interop").flash();
    for (pin, n, cut, left) in [
        // Not counted yet, and not compared yet: no answer, no try gone.
        (&b"99999999"[..], 1, Cut::Before, 0x63C3),
        (b"99999999", 1, Cut::Torn, 0x63C3),
        // Counted: gone, though no answer came.
        (b"99999999", 1, Cut::After, 0x63C2),
        // Right, but cut while the tries were being given back.
        (PIN2, 1, Cut::After, 0x63C2),
        (PIN2, 2, Cut::Before, 0x63C2),
        (PIN2, 2, Cut::Torn, 0x63C2),
        (PIN2, 2, Cut::After, 0x63C3),
    ] {
        let flash = Flash::from_image(start.image());
        flash.cut_power(n, cut);
        assert!(verify(&flash, pin).is_err(), "an answer came: {n} {cut:?}");
        flash.restore_power();
        assert_eq!(status(&flash), left, "{n} {cut:?}");
    }
}
