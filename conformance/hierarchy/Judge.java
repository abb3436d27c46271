import java.io.FileInputStream;
import java.security.GeneralSecurityException;
import java.security.cert.*;
import java.util.*;

/**
 * The JDK's validator: from each citizen to each root, with every list required. Its builder of paths does not find a link between
 * roots of one name, so the path is put together here, by keys. Arguments: the directory, then the citizens. Prints `N paths`.
 */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        String directory = arguments[0] + "/";
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        List<X509Certificate> known = read(factory, directory + "to.pem");
        List<Object> lists = new ArrayList<>(known);
        for (String list : List.of("npc", "npc-g2", "npc-root", "npc-root-g2")) {
            try (var in = new FileInputStream(directory + list + ".crl")) {
                lists.add(factory.generateCRL(in));
            }
        }
        int paths = 0;
        for (String citizen : List.of(arguments).subList(1, arguments.length)) {
            X509Certificate certificate = read(factory, citizen).get(0);
            for (String root : List.of("npc-root", "npc-root-g2")) {
                X509Certificate anchor = read(factory, directory + "pki/" + root + ".pem").get(0);
                List<X509Certificate> path = new ArrayList<>(List.of(certificate));
                while (!signed(anchor, path.get(path.size() - 1))) {
                    X509Certificate last = path.get(path.size() - 1);
                    path.add(known.stream().filter(ca -> !path.contains(ca) && signed(ca, last)).findFirst().orElseThrow());
                }
                PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(anchor, null)));
                parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
                CertPathValidator validator = CertPathValidator.getInstance("PKIX");
                PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
                checker.setOptions(Set.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
                parameters.addCertPathChecker(checker);
                validator.validate(factory.generateCertPath(path), parameters);
                System.out.println(citizen + " " + root + " " + path.size());
                paths++;
            }
        }
        System.out.println(paths + " paths");
    }

    private static boolean signed(X509Certificate issuer, X509Certificate subject) {
        try {
            subject.verify(issuer.getPublicKey());
            return true;
        } catch (GeneralSecurityException another) {
            return false;
        }
    }

    private static List<X509Certificate> read(CertificateFactory factory, String file) throws Exception {
        try (var in = new FileInputStream(file)) {
            return factory.generateCertificates(in).stream().map(X509Certificate.class::cast).toList();
        }
    }
}
