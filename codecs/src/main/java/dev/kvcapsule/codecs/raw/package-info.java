/** The bytes as they are: what every other codec is measured against. */
package dev.kvcapsule.codecs.raw;
