package dev.kvcapsule.openssl;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.List;

/**
 * The functions of libcrypto that are used.
 *
 * @see <a href="https://docs.openssl.org/3.0/man3/EVP_EncryptInit/">EVP_EncryptInit</a>
 */
final class LibCrypto {
    private static final String PROPERTY = "kvcapsule.libcrypto";
    private static final List<String> NAMES = List.of("libcrypto.so.3", "libcrypto.so.1.1");
    /** NID_ED25519 of obj_mac.h. */
    private static final int ED25519 = 1087;
    private static final int GET_TAG = 0x10;
    private static final int SET_TAG = 0x11;

    private final MethodHandle newCipher;
    private final MethodHandle freeCipher;
    private final MethodHandle init;
    private final MethodHandle update;
    private final MethodHandle finish;
    private final MethodHandle control;
    private final MethodHandle newDigest;
    private final MethodHandle freeDigest;
    private final MethodHandle digestInit;
    private final MethodHandle digestUpdate;
    private final MethodHandle digestFinish;
    private final MethodHandle newPublicKey;
    private final MethodHandle freeKey;
    private final MethodHandle verifyInit;
    private final MethodHandle verify;
    final MemorySegment aes256Gcm;
    final MemorySegment chacha20Poly1305;
    final MemorySegment sha256;

    LibCrypto(SymbolLookup library) {
        newCipher = bind(library, "EVP_CIPHER_CTX_new", FunctionDescriptor.of(ADDRESS));
        freeCipher = bind(library, "EVP_CIPHER_CTX_free", FunctionDescriptor.ofVoid(ADDRESS));
        init = bind(library, "EVP_CipherInit_ex", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_INT));
        update = bind(library, "EVP_CipherUpdate", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_INT));
        finish = bind(library, "EVP_CipherFinal_ex", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
        control = bind(library, "EVP_CIPHER_CTX_ctrl", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, ADDRESS));
        newDigest = bind(library, "EVP_MD_CTX_new", FunctionDescriptor.of(ADDRESS));
        freeDigest = bind(library, "EVP_MD_CTX_free", FunctionDescriptor.ofVoid(ADDRESS));
        digestInit = bind(library, "EVP_DigestInit_ex", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
        digestUpdate = bind(library, "EVP_DigestUpdate", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG));
        digestFinish = bind(library, "EVP_DigestFinal_ex", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS));
        newPublicKey = bind(library, "EVP_PKEY_new_raw_public_key", FunctionDescriptor.of(ADDRESS, JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG));
        freeKey = bind(library, "EVP_PKEY_free", FunctionDescriptor.ofVoid(ADDRESS));
        verifyInit = bind(library, "EVP_DigestVerifyInit", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS));
        verify = bind(library, "EVP_DigestVerify", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG));
        aes256Gcm = constant(library, "EVP_aes_256_gcm");
        chacha20Poly1305 = constant(library, "EVP_chacha20_poly1305");
        sha256 = constant(library, "EVP_sha256");
    }

    /** @throws IllegalStateException if there is none, or it lacks a function */
    @SuppressWarnings("restricted") // native access is what this class is for
    static LibCrypto load() {
        String forced = System.getProperty(PROPERTY);
        IllegalArgumentException missing = null;
        for (String name : forced == null ? NAMES : List.of(forced)) {
            try {
                return new LibCrypto(SymbolLookup.libraryLookup(name, Arena.global()));
            } catch (IllegalArgumentException e) {
                missing = e;
            }
        }
        throw new IllegalStateException("there is no libcrypto: " + (missing == null ? PROPERTY : missing.getMessage()), missing);
    }

    @SuppressWarnings("restricted") // as above
    private static MethodHandle bind(SymbolLookup library, String name, FunctionDescriptor type) {
        MemorySegment symbol = library.find(name).orElseThrow(() -> new IllegalStateException("libcrypto has no " + name));
        return Linker.nativeLinker().downcallHandle(symbol, type);
    }

    private static MemorySegment constant(SymbolLookup library, String name) {
        try {
            return check((MemorySegment) bind(library, name, FunctionDescriptor.of(ADDRESS)).invokeExact(), name);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static RuntimeException unexpected(Throwable e) {
        return e instanceof RuntimeException runtime ? runtime : new IllegalStateException(e);
    }

    private static MemorySegment check(MemorySegment context, String call) {
        if (context.address() == 0) {
            throw new IllegalStateException("libcrypto: " + call + " failed");
        }
        return context;
    }

    private static void check(int result, String call) {
        if (result != 1) {
            throw new IllegalStateException("libcrypto: " + call + " failed");
        }
    }

    MemorySegment newCipher() {
        try {
            return check((MemorySegment) newCipher.invokeExact(), "EVP_CIPHER_CTX_new");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Frees it, and zeroes the keys in it. */
    void freeCipher(MemorySegment context) {
        try {
            freeCipher.invokeExact(context);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** @param key null memory to keep the one that was given before */
    void init(MemorySegment context, MemorySegment cipher, MemorySegment key, MemorySegment nonce, boolean encrypt) {
        try {
            check((int) init.invokeExact(context, cipher, MemorySegment.NULL, key, nonce, encrypt ? 1 : 0), "EVP_CipherInit_ex");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** @param out null memory for associated data */
    void update(MemorySegment context, MemorySegment out, MemorySegment written, MemorySegment in, int bytes) {
        try {
            check((int) update.invokeExact(context, out, written, in, bytes), "EVP_CipherUpdate");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** @return whether the tag holds; always when encrypting */
    boolean finish(MemorySegment context, MemorySegment out, MemorySegment written) {
        try {
            return (int) finish.invokeExact(context, out, written) == 1;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void getTag(MemorySegment context, MemorySegment tag) {
        control(context, GET_TAG, tag);
    }

    void setTag(MemorySegment context, MemorySegment tag) {
        control(context, SET_TAG, tag);
    }

    private void control(MemorySegment context, int type, MemorySegment tag) {
        try {
            check((int) control.invokeExact(context, type, (int) tag.byteSize(), tag), "EVP_CIPHER_CTX_ctrl");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    MemorySegment newDigest() {
        try {
            return check((MemorySegment) newDigest.invokeExact(), "EVP_MD_CTX_new");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void freeDigest(MemorySegment context) {
        try {
            freeDigest.invokeExact(context);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void digestInit(MemorySegment context) {
        try {
            check((int) digestInit.invokeExact(context, sha256, MemorySegment.NULL), "EVP_DigestInit_ex");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void digestUpdate(MemorySegment context, MemorySegment bytes) {
        try {
            check((int) digestUpdate.invokeExact(context, bytes, bytes.byteSize()), "EVP_DigestUpdate");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void digestFinish(MemorySegment context, MemorySegment out) {
        try {
            check((int) digestFinish.invokeExact(context, out, MemorySegment.NULL), "EVP_DigestFinal_ex");
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /**
     * Whether a signature holds.
     *
     * @param key 32 bytes
     * @param message any number of bytes
     * @param signature 64 bytes
     * @see <a href="https://docs.openssl.org/3.0/man7/EVP_SIGNATURE-ED25519/">EVP_SIGNATURE-ED25519</a>
     */
    boolean verifyEd25519(MemorySegment key, MemorySegment message, MemorySegment signature) {
        MemorySegment context = newDigest();
        try {
            MemorySegment loaded = check((MemorySegment) newPublicKey.invokeExact(ED25519, MemorySegment.NULL, key, key.byteSize()), "EVP_PKEY_new_raw_public_key");
            try {
                check((int) verifyInit.invokeExact(context, MemorySegment.NULL, MemorySegment.NULL, MemorySegment.NULL, loaded), "EVP_DigestVerifyInit");
                return (int) verify.invokeExact(context, signature, signature.byteSize(), message, message.byteSize()) == 1;
            } finally {
                freeKey.invokeExact(loaded);
            }
        } catch (Throwable e) {
            throw unexpected(e);
        } finally {
            freeDigest(context);
        }
    }
}
