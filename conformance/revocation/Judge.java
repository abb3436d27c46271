import java.io.FileInputStream;
import java.security.cert.*;
import java.util.*;

/** The JDK's PKIX validator over every case: one line `CERTIFICATE LISTS VERDICT` each. Arguments: the directory of the cases. */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        String directory = arguments[0] + "/";
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate ca;
        try (var in = new FileInputStream(directory + "npc-ca.pem")) {
            ca = (X509Certificate) factory.generateCertificate(in);
        }
        for (String lists : List.of("npc", "npc-0", "npc-1", "npc-0,npc-0-delta")) {
            List<CRL> crls = new ArrayList<>();
            for (String list : lists.split(",")) {
                try (var in = new FileInputStream(directory + list + ".crl")) {
                    crls.add(factory.generateCRL(in));
                }
            }
            for (String name : List.of("good", "revoked", "held", "late", "resumed", "expired")) {
                System.out.println(name + " " + lists + " " + verdict(factory, directory + name + ".pem", ca, crls));
            }
        }
    }

    private static String verdict(CertificateFactory factory, String file, X509Certificate ca, List<CRL> crls) throws Exception {
        X509Certificate certificate;
        try (var in = new FileInputStream(file)) {
            certificate = (X509Certificate) factory.generateCertificate(in);
        }
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(ca, null)));
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(crls)));
        var validator = CertPathValidator.getInstance("PKIX");
        var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(Set.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
        parameters.addCertPathChecker(checker);
        try {
            validator.validate(factory.generateCertPath(List.of(certificate)), parameters);
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
}
