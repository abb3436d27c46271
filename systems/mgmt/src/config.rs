//! What the ministry decides and may change: policy as data.

use chip::Profile;
use jiff::SignedDuration;
use model::{CardProfile, KeySlot};

/// Policy of the management system.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which key slots get a certificate at issue. OPEN-14: the RSA pairs; all four when the switch is set.
    pub all_slots: bool,
    /// Least age for the natural-person certificate (OPEN-16).
    pub certificate_age: i16,
    /// Years at which a person is of age (OPEN-49).
    pub age_of_majority: i16,
    /// The issuing authority as the chip names it.
    pub issuing_authority: String,
    /// Cost of the user code's hash.
    pub user_code_cost: UserCodeCost,
    /// Wrong user codes in a row that lock it.
    pub user_code_attempts: u32,
    /// How long it stays locked.
    pub user_code_lock: SignedDuration,
    /// How long a case of a counter stays open if nobody closes it.
    pub counter_case_life: SignedDuration,
    /// Cases worked on at the same time.
    pub parallel: usize,
    /// How long a step may take before another worker takes it up.
    pub lease: SignedDuration,
    /// A profile of somebody's own that every card gets in the place of the one its application names: for sample cards.
    pub own_profile: Option<&'static Profile>,
}

/// Parameters of Argon2id.
#[derive(Debug, Clone, Copy)]
pub struct UserCodeCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            all_slots: false,
            certificate_age: 18,
            age_of_majority: 18,
            issuing_authority: "內政部（測試用）".into(),
            // RFC 9106 §4 and OWASP: 19 MiB, two passes, one lane.
            user_code_cost: UserCodeCost { memory: 19 * 1024, passes: 2 },
            user_code_attempts: 5,
            user_code_lock: SignedDuration::from_mins(15),
            counter_case_life: SignedDuration::from_hours(24 * 30),
            parallel: 4,
            lease: SignedDuration::from_secs(60),
            own_profile: None,
        }
    }
}

impl Config {
    /// The slots that get a certificate at issue on a card of this profile. Sample cards show all four.
    pub(crate) fn slots(&self, profile: CardProfile) -> &'static [KeySlot] {
        if self.all_slots || profile.is_sample() {
            KeySlot::ALL
        } else {
            &[KeySlot::SigningRsa, KeySlot::EncryptionRsa]
        }
    }
}
