package dev.kvcapsule.openssl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kvcapsule.engine.seal.AeadAlgorithm;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A libcrypto in which one function or another fails. */
class LibCryptoFailureTest {
    private static int freed;
    private final Arena arena = Arena.ofConfined();
    private final Map<String, MemorySegment> broken = new HashMap<>();

    @BeforeEach
    void thereIsALibrary() {
        OpenSslCrypto openssl = new OpenSslCrypto();
        assumeTrue(openssl.whyNot() == null, openssl.whyNot());
        freed = 0;
    }

    @AfterEach
    void forget() {
        arena.close();
    }

    @SuppressWarnings("restricted") // stands in for native code
    private LibCrypto library() {
        SymbolLookup[] real = new SymbolLookup[1];
        for (String name : new String[] {"libcrypto.so.1.1", "libcrypto.so.3"}) {
            try {
                real[0] = SymbolLookup.libraryLookup(name, Arena.global());
            } catch (IllegalArgumentException e) {
                // The other one is there.
            }
        }
        return new LibCrypto(name -> Optional.ofNullable(broken.get(name)).or(() -> real[0].find(name)));
    }

    @SuppressWarnings("restricted") // as above
    private MemorySegment function(MethodHandle target, FunctionDescriptor type) {
        return Linker.nativeLinker().upcallStub(target, type, arena);
    }

    private void breakConstructor(String name) {
        broken.put(name, function(MethodHandles.constant(MemorySegment.class, MemorySegment.NULL), FunctionDescriptor.of(ValueLayout.ADDRESS)));
    }

    static int refuse(MemorySegment context, MemorySegment cipher, MemorySegment engine, MemorySegment key, MemorySegment nonce, int encrypt) {
        return 0;
    }

    static void free(MemorySegment context) {
        freed++;
    }

    @Test
    void noContextIsAnExceptionAndNotACrash() {
        breakConstructor("EVP_CIPHER_CTX_new");
        breakConstructor("EVP_MD_CTX_new");
        LibCrypto library = library();
        IllegalStateException cipher = assertThrows(IllegalStateException.class, () -> new OpenSslAead(library, AeadAlgorithm.AES_256_GCM, new byte[32]));
        assertTrue(cipher.getMessage().contains("EVP_CIPHER_CTX_new"));
        assertThrows(IllegalStateException.class, () -> new OpenSslLeafHash(library));
        breakConstructor("EVP_sha256");
        assertThrows(IllegalStateException.class, this::library);
    }

    @Test
    void aCipherThatDoesNotStartIsFreed() throws ReflectiveOperationException {
        MethodHandles.Lookup lookup = MethodHandles.lookup();
        MethodType init = MethodType.methodType(int.class, MemorySegment.class, MemorySegment.class, MemorySegment.class, MemorySegment.class, MemorySegment.class, int.class);
        broken.put("EVP_CipherInit_ex", function(lookup.findStatic(LibCryptoFailureTest.class, "refuse", init), FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS,
                ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT)));
        broken.put("EVP_CIPHER_CTX_free", function(lookup.findStatic(LibCryptoFailureTest.class, "free", MethodType.methodType(void.class, MemorySegment.class)),
                FunctionDescriptor.ofVoid(ValueLayout.ADDRESS)));
        LibCrypto library = library();
        assertThrows(IllegalStateException.class, () -> new OpenSslAead(library, AeadAlgorithm.AES_256_GCM, new byte[32]));
        assertEquals(1, freed);
    }
}
