import java.io.FileInputStream;
import java.security.cert.*;
import java.util.*;

/**
 * The JDK's builder of paths: from each citizen to each root, over the published certificates, with every list required. Arguments: the
 * directory, then the citizens. Prints `N paths`.
 */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        String directory = arguments[0] + "/";
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        List<Object> known = new ArrayList<>(read(factory, directory + "to.pem"));
        for (String list : List.of("npc", "npc-g2", "npc-root", "npc-root-g2")) {
            try (var in = new FileInputStream(directory + list + ".crl")) {
                known.add(factory.generateCRL(in));
            }
        }
        CertStore store = CertStore.getInstance("Collection", new CollectionCertStoreParameters(known));
        int paths = 0;
        for (String citizen : List.of(arguments).subList(1, arguments.length)) {
            X509Certificate certificate = (X509Certificate) read(factory, citizen).iterator().next();
            for (String root : List.of("npc-root", "npc-root-g2")) {
                X509Certificate anchor = (X509Certificate) read(factory, directory + "pki/" + root + ".pem").iterator().next();
                X509CertSelector target = new X509CertSelector();
                target.setCertificate(certificate);
                PKIXBuilderParameters parameters = new PKIXBuilderParameters(Set.of(new TrustAnchor(anchor, null)), target);
                parameters.addCertStore(store);
                parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(List.of(certificate))));
                CertPathBuilder builder = CertPathBuilder.getInstance("PKIX");
                PKIXRevocationChecker checker = (PKIXRevocationChecker) builder.getRevocationChecker();
                checker.setOptions(Set.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
                parameters.addCertPathChecker(checker);
                PKIXCertPathBuilderResult result = (PKIXCertPathBuilderResult) builder.build(parameters);
                System.out.println(citizen + " " + root + " " + result.getCertPath().getCertificates().size());
                paths++;
            }
        }
        System.out.println(paths + " paths");
    }

    private static Collection<? extends Certificate> read(CertificateFactory factory, String file) throws Exception {
        try (var in = new FileInputStream(file)) {
            return factory.generateCertificates(in);
        }
    }
}
