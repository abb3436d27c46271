//! Revocation by lists (RFC 5280 §6.3), reduced to complete and partition lists signed by the certificate's own issuer.

use super::{Options, Refusal, Revocation};
use crate::Certificate;
use crate::crl::{Crl, Reason};
use crate::extension::KeyUsage;

/// Checks every certificate of `chain` but the trust anchor.
pub(super) fn check(chain: &[&Certificate], options: &Options<'_>) -> Result<(), Refusal> {
    if options.revocation == Revocation::Unchecked {
        return Ok(());
    }
    for (depth, pair) in chain.windows(2).enumerate() {
        let [certificate, issuer] = pair else { continue };
        let mut known = false;
        for crl in options.crls.iter().filter(|crl| speaks_about(crl, certificate, issuer, options)) {
            if let Some(entry) = crl.find(certificate.serial_octets()) {
                // RFC 5280 §5.3: a critical entry extension that is not known makes the list unusable.
                if entry.unknown_critical {
                    continue;
                }
                if entry.reason != Reason::RemoveFromCrl {
                    return Err(Refusal::Revoked { depth, at: entry.at, reason: entry.reason });
                }
            }
            known = true;
        }
        if !known && options.revocation == Revocation::Required {
            return Err(Refusal::StatusUnknown);
        }
    }
    Ok(())
}

fn speaks_about(crl: &Crl, certificate: &Certificate, issuer: &Certificate, options: &Options<'_>) -> bool {
    let in_time = crl.this_update() <= options.now
        // RFC 5280 §5.1.2.5: nextUpdate MUST be there.
        && crl.next_update().is_some_and(|next| options.now.as_second() <= next.as_second());
    in_time
        && !crl.is_delta()
        && !crl.has_unknown_critical_extension()
        && crl.has_proper_number()
        && crl.is_issued_by(certificate.issuer(), issuer.subject_key_identifier())
        && in_scope(crl, certificate)
        // RFC 5280 §6.3.3 (f): cRLSign if keyUsage is present.
        && issuer.key_usage().is_none_or(|u| u.contains(KeyUsage::CRL_SIGN))
        && crl.verify_signature(issuer.spki()).is_ok()
}

// RFC 5280 §6.3.3 (b)(2): the distribution point and the kind of certificate must be those of the list.
fn in_scope(crl: &Crl, certificate: &Certificate) -> bool {
    let Some(idp) = crl.issuing_distribution_point() else { return true };
    let named = !idp.named || idp.uris.iter().any(|uri| certificate.crl_distribution_points().contains(uri));
    let narrower = idp.indirect || idp.only_some_reasons || idp.only_attribute_certificates;
    let kind = if certificate.is_ca() { !idp.only_user_certificates } else { !idp.only_ca_certificates };
    named && kind && !narrower
}
