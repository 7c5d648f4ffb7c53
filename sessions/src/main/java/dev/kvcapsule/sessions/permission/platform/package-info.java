/** Talking to a platform: one request, bounded in time and bytes, and a reason where it fails. Not exported. */
package dev.kvcapsule.sessions.permission.platform;
