/** The gateway as a session's owner sees it: slots out as capsules and back, over HTTP. */
package dev.kvcapsule.sessions.gateway;
