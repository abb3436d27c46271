package neweid.test;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Signature;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Set;

/** The terminal's trust: country signing certificate and its revocation list, judged by the JDK and Bouncy Castle. */
final class Trust {
    private final X509Certificate csca;
    private final X509CRL crl;

    Trust(Path cscaFile, Path crlFile) throws Exception {
        csca = certificate(cscaFile);
        try (InputStream in = Files.newInputStream(crlFile)) {
            crl = (X509CRL) CertificateFactory.getInstance("X.509").generateCRL(in);
        }
    }

    static X509Certificate certificate(Path file) throws Exception {
        try (InputStream in = Files.newInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    /** The signer's certificate chains to the country signing certificate and is not on its revocation list. */
    void validate(X509Certificate signer) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(csca, null)));
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(List.of(crl)), "BC"));
        parameters.setRevocationEnabled(true);
        CertPathValidator.getInstance("PKIX", "BC").validate(factory.generateCertPath(List.of(signer)), parameters);
    }

    /** Verifies a signature; throws where it does not match. */
    static void verify(String algorithm, java.security.PublicKey key, byte[] message, byte[] signature) throws Exception {
        Signature verifier = Signature.getInstance(algorithm, "BC");
        verifier.initVerify(key);
        verifier.update(message);
        Verdict.require(verifier.verify(signature), algorithm + " does not verify");
    }
}
