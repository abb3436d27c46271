import java.io.FileInputStream;
import java.security.GeneralSecurityException;
import java.security.cert.*;
import java.util.*;

/**
 * The JDK's validator over cases: each line of the standard input is `CERTIFICATE LISTS DAYS`, each line of the output the verdict.
 * The anchors are both roots; DAYS is how long after now. With `-` for lists revocation is not asked about. Argument: the directory.
 */
public class Cases {
    public static void main(String[] arguments) throws Exception {
        // The lists at hand alone: the JDK's own checker object would fetch what the certificate names.
        java.security.Security.setProperty("com.sun.security.onlyCheckRevocationOfEECert", "true");
        String directory = arguments[0] + "/";
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        List<X509Certificate> known = certificates(factory, directory + "to.pem");
        Set<TrustAnchor> anchors = new HashSet<>();
        for (String root : List.of("npc-root", "npc-root-g2")) {
            anchors.add(new TrustAnchor(certificates(factory, directory + "pki/" + root + ".pem").get(0), null));
        }
        for (Scanner cases = new Scanner(System.in); cases.hasNext();) {
            X509Certificate certificate = certificates(factory, directory + cases.next() + ".pem").get(0);
            String lists = cases.next();
            List<Object> store = new ArrayList<>(known);
            if (!lists.equals("-")) {
                for (String list : lists.split(",")) {
                    try (var in = new FileInputStream(directory + list + ".crl")) {
                        store.add(factory.generateCRL(in));
                    }
                }
            }
            Date at = new Date(System.currentTimeMillis() + cases.nextInt() * 86_400_000L);
            System.out.println(verdict(certificate, known, anchors, store, lists.equals("-"), at));
        }
    }

    private static String verdict(
            X509Certificate certificate, List<X509Certificate> known, Set<TrustAnchor> anchors, List<Object> store, boolean anyStatus, Date at)
            throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        List<X509Certificate> path = new ArrayList<>(List.of(certificate));
        path.add(known.stream().filter(ca -> signed(ca, certificate)).findFirst().orElseThrow());
        PKIXParameters parameters = new PKIXParameters(anchors);
        parameters.setDate(at);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(store)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        parameters.setRevocationEnabled(!anyStatus);
        try {
            validator.validate(factory.generateCertPath(path), parameters);
            return "good";
        } catch (CertPathValidatorException refused) {
            return switch (String.valueOf(refused.getReason())) {
                case "REVOKED" -> "revoked";
                case "EXPIRED" -> "expired";
                case "UNDETERMINED_REVOCATION_STATUS" -> "undetermined";
                default -> refused.getReason() + " " + refused.getMessage();
            };
        }
    }

    private static boolean signed(X509Certificate issuer, X509Certificate subject) {
        try {
            subject.verify(issuer.getPublicKey());
            return true;
        } catch (GeneralSecurityException another) {
            return false;
        }
    }

    private static List<X509Certificate> certificates(CertificateFactory factory, String file) throws Exception {
        try (var in = new FileInputStream(file)) {
            return factory.generateCertificates(in).stream().map(X509Certificate.class::cast).toList();
        }
    }
}
