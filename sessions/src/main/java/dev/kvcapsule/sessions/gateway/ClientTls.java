package dev.kvcapsule.sessions.gateway;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/**
 * How an {@code https} gateway is met: PEM files. Where both are empty it is as with any server: it must have a certificate of an authority that this Java trusts, and the caller shows a token.
 *
 * @param authorities certificates that the gateway's is from; nobody else is trusted then
 * @param identity the caller's own certificate, which may stand in for a token
 */
public record ClientTls(Optional<Path> authorities, Optional<Identity> identity) {
    /** Nothing of one's own. */
    public static final ClientTls NONE = new ClientTls(Optional.empty(), Optional.empty());

    private static final Pattern KEY = Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");
    private static final char[] NO_PASSWORD = new char[0];

    /**
     * A certificate and what proves that it is one's own.
     *
     * @param certificate followed by those of its issuers
     * @param key its private key, PKCS #8, not encrypted
     */
    public record Identity(Path certificate, Path key) {}

    /**
     * {@return what connections are made with}
     *
     * @throws MalformedDataException if a file holds something else
     * @throws IOException if one cannot be read
     */
    SSLContext context() throws IOException {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(identity.isPresent() ? own(identity.get()) : null, authorities.isPresent() ? trusted(authorities.get()) : null, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new MalformedDataException("certificates that do not go together: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())));
        }
    }

    private static KeyStore empty() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, NO_PASSWORD);
        return store;
    }

    private static TrustManager[] trusted(Path file) throws GeneralSecurityException, IOException {
        KeyStore store = empty();
        int number = 0;
        for (Certificate certificate : certificates(file)) {
            store.setCertificateEntry(Integer.toString(number++), certificate);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
    }

    private static KeyManager[] own(Identity identity) throws GeneralSecurityException, IOException {
        Certificate[] chain = certificates(identity.certificate()).toArray(Certificate[]::new);
        KeyStore store = empty();
        store.setKeyEntry("own", key(identity.key(), (X509Certificate) chain[0]), NO_PASSWORD, chain);
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, NO_PASSWORD);
        return factory.getKeyManagers();
    }

    private static Collection<? extends Certificate> certificates(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            Collection<? extends Certificate> found = CertificateFactory.getInstance("X.509").generateCertificates(in);
            if (!found.isEmpty()) {
                return List.copyOf(found);
            }
        } catch (CertificateException e) {
            throw new MalformedDataException(file + " holds no certificates in PEM: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())));
        }
        throw new MalformedDataException(file + " holds no certificate");
    }

    /** The certificate says of which kind its key is. */
    private static PrivateKey key(Path file, X509Certificate certificate) throws GeneralSecurityException, IOException {
        Matcher pem = KEY.matcher(Files.readString(file));
        if (!pem.find()) {
            throw new MalformedDataException(file + " holds no private key as PKCS #8 (BEGIN PRIVATE KEY): openssl pkcs8 -topk8 -nocrypt makes one");
        }
        try {
            byte[] der = Base64.getMimeDecoder().decode(pem.group(1));
            return KeyFactory.getInstance(certificate.getPublicKey().getAlgorithm()).generatePrivate(new PKCS8EncodedKeySpec(der));
        } catch (InvalidKeySpecException | IllegalArgumentException e) {
            throw new MalformedDataException(file + " is no private key of the certificate's kind, " + certificate.getPublicKey().getAlgorithm());
        }
    }
}
