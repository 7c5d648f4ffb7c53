package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.Key;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** An authority and certificates of its, made by the JDK's keytool; PEM files in a folder. */
final class Certificates {
    private static final String PASSWORD = "changeit";

    private final Path folder;
    private final String authority;

    Certificates(Path folder, String authority) throws Exception {
        this.folder = folder;
        this.authority = authority;
        keytool("-genkeypair", "-alias", "own", "-keyalg", "EC", "-dname", "CN=" + authority, "-ext", "bc:c", "-validity", "2", "-keystore", store(authority));
        pem(authority, store(authority));
    }

    private Path store(String name) {
        return folder.resolve(name + ".p12");
    }

    Path certificate(String name) {
        return folder.resolve(name + ".pem");
    }

    Path key(String name) {
        return folder.resolve(name + ".key");
    }

    /** Issues one for 127.0.0.1; the name's .pem and .key are there then. */
    Certificates issue(String name, String algorithm) throws Exception {
        Path store = store(name);
        Path request = folder.resolve(name + ".csr");
        Path issued = folder.resolve(name + ".crt");
        keytool("-genkeypair", "-alias", "own", "-keyalg", algorithm, "-dname", "CN=" + name, "-validity", "2", "-keystore", store);
        keytool("-certreq", "-alias", "own", "-keystore", store, "-file", request);
        keytool("-gencert", "-alias", "own", "-keystore", store(authority), "-infile", request, "-outfile", issued, "-ext", "san=ip:127.0.0.1", "-validity", "2");
        keytool("-importcert", "-noprompt", "-alias", "ca", "-keystore", store, "-file", certificate(authority));
        keytool("-importcert", "-noprompt", "-alias", "own", "-keystore", store, "-file", issued);
        pem(name, store);
        return this;
    }

    /** As tokens files have it. */
    String fingerprint(String name) throws Exception {
        try (InputStream in = Files.newInputStream(certificate(name))) {
            Certificate own = CertificateFactory.getInstance("X.509").generateCertificates(in).iterator().next();
            return HexFormat.ofDelimiter(":").withUpperCase().formatHex(MessageDigest.getInstance("SHA-256").digest(own.getEncoded()));
        }
    }

    /** What a client has that trusts this authority only. */
    SSLContext trusting() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream in = Files.newInputStream(certificate(authority))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private void pem(String name, Path store) throws Exception {
        KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD.toCharArray());
        Key key = keys.getKey("own", PASSWORD.toCharArray());
        StringBuilder chain = new StringBuilder();
        for (Certificate certificate : keys.getCertificateChain("own")) {
            chain.append(text("CERTIFICATE", certificate.getEncoded()));
        }
        Files.writeString(certificate(name), chain);
        try (OutputStream out = Files.newOutputStream(Files.createFile(key(name), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))))) {
            out.write(text("PRIVATE KEY", key.getEncoded()).getBytes());
        }
    }

    private static String text(String what, byte[] der) {
        return "-----BEGIN " + what + "-----\n" + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der) + "\n-----END " + what + "-----\n";
    }

    private void keytool(Object... args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(), "-storepass", PASSWORD, "-storetype", "PKCS12"));
        for (Object arg : args) {
            command.add(arg.toString());
        }
        Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(folder.resolve("keytool.log").toFile()).start();
        assertEquals(0, process.waitFor(), () -> command.toString());
    }
}
