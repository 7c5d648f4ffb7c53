/** What every room shares: how malformed data is reported. */
package dev.kvcapsule.engine;
