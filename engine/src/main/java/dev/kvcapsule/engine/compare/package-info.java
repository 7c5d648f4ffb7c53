/** What a changed cache differs in from the original, without a model at hand. */
package dev.kvcapsule.engine.compare;
