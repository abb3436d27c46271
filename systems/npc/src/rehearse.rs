//! Every certificate is rehearsed with a throw-away key before it is stored, let alone signed (`x509::certificate::Rehearsal`).

use std::sync::{Arc, Mutex, PoisonError};

use curve::Random;
use x509::SignatureAlgorithm;
use x509::certificate::{Issuer, Rehearsal, TbsCertificate};

use crate::Result;
use crate::authority::off_thread;

/// Makes the certificate whole with the throw-away key of its algorithm and applies every rule to it.
pub(crate) async fn rehearse(
    tbs: &TbsCertificate,
    issuer: Option<&Issuer>,
    random: &Mutex<Box<dyn Random + Send>>,
) -> Result<()> {
    let rehearsal = match drawn(tbs.algorithm()) {
        Some(rehearsal) => rehearsal,
        None => {
            let mut seed = [0; 32];
            random.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut seed);
            let algorithm = tbs.algorithm();
            // Drawing an RSA key takes its time.
            let made =
                off_thread(move || Rehearsal::draw(algorithm, &mut curve::SeedRandom::new(&seed))).await??;
            let made = Arc::new(made);
            DRAWN.lock().unwrap_or_else(PoisonError::into_inner).push(made.clone());
            made
        }
    };
    Ok(rehearsal.inspect(tbs, issuer)?)
}

fn drawn(algorithm: SignatureAlgorithm) -> Option<Arc<Rehearsal>> {
    let drawn = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    drawn.iter().find(|rehearsal| rehearsal.algorithm() == algorithm).cloned()
}

/// One key for each algorithm and process: nothing rests on it, and it is never written down.
static DRAWN: Mutex<Vec<Arc<Rehearsal>>> = Mutex::new(Vec::new());
