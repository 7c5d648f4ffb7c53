/** Where KV caches come from and go to: one package a serving stack, each behind {@link dev.kvcapsule.serving.CacheFormat}. */
package dev.kvcapsule.serving;
