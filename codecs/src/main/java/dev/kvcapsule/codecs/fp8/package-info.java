/** 8-bit floating point with a scale per block of 32 channels (OCP MX). */
package dev.kvcapsule.codecs.fp8;
