import java.io.FileInputStream;
import java.security.cert.*;
import java.util.*;

/**
 * The JDK's PKIX validator, which finds OCSP and lists by itself: from the certificate to the root, with OCSP alone and with lists
 * alone. Arguments: root, CA, names of certificates. Prints `NAME ocsp|crl good` or `NAME ocsp|crl revoked REASON`.
 */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        // Lists are taken from the distribution points of the certificate.
        System.setProperty("com.sun.security.enableCRLDP", "true");
        X509Certificate root = read(arguments[0]);
        X509Certificate ca = read(arguments[1]);
        for (String name : List.of(arguments).subList(2, arguments.length)) {
            CertPath path = CertificateFactory.getInstance("X.509").generateCertPath(List.of(read(name + ".pem"), ca));
            // The CA itself is in the root's list; no OCSP is asked about it.
            System.out.println(name + " ocsp " + verdict(root, path, PKIXRevocationChecker.Option.ONLY_END_ENTITY));
            System.out.println(name + " crl " + verdict(root, path, PKIXRevocationChecker.Option.PREFER_CRLS));
        }
    }

    private static String verdict(X509Certificate root, CertPath path, PKIXRevocationChecker.Option option) throws Exception {
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(Set.of(option, PKIXRevocationChecker.Option.NO_FALLBACK));
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(path, parameters);
            return "good";
        } catch (CertPathValidatorException refused) {
            if (refused.getCause() instanceof CertificateRevokedException revoked) {
                return "revoked " + revoked.getRevocationReason();
            }
            return refused.getReason() + " " + refused.getMessage();
        }
    }

    private static X509Certificate read(String file) throws Exception {
        try (var in = new FileInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }
}
