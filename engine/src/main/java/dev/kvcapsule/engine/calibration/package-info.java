/** What calibration learns of a model besides its caches: how much errors harm, and where. */
package dev.kvcapsule.engine.calibration;
