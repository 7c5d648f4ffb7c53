/** OpenSSL's libcrypto, where the system has it: AEAD and SHA-256 at full speed from the first byte, which the JDK's reach only when they have been compiled. */
package dev.kvcapsule.openssl;
