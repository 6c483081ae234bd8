#include "base/traffic.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* turn: a mark of the family, the port, and an IPv4 address, in 16, 16 and 32 bits. */
enum { NOBODY, UNNAMED, IPV4, IPV6 };

static uint64_t turn_of(uint64_t mark, in_port_t port, uint32_t address)
{
	return mark << 48 | (uint64_t)ntohs(port) << 32 | address;
}

void fr_traffic_turn(struct fr_traffic *t, const struct sockaddr *peer)
{
	uint64_t turn = turn_of(NOBODY, 0, 0);

	if (peer && peer->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)peer;

		turn = turn_of(IPV4, v4->sin_port, v4->sin_addr.s_addr);
	} else if (peer && peer->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)peer;
		uint64_t words[2];

		memcpy(words, &v6->sin6_addr, sizeof words);
		atomic_store_explicit(&t->turn_ip6[0], words[0], memory_order_relaxed);
		atomic_store_explicit(&t->turn_ip6[1], words[1], memory_order_relaxed);
		turn = turn_of(IPV6, v6->sin6_port, 0);
	} else if (peer) {
		turn = turn_of(UNNAMED, 0, 0);
	}
	atomic_store_explicit(&t->turn, turn, memory_order_release);
}

bool fr_traffic_peer(const struct fr_traffic *t, char ret[FR_TRAFFIC_PEER])
{
	uint64_t turn = atomic_load_explicit(&t->turn, memory_order_acquire);
	unsigned port = turn >> 32 & 0xffff;
	char address[INET6_ADDRSTRLEN];

	switch (turn >> 48) {
	case UNNAMED:
		snprintf(ret, FR_TRAFFIC_PEER, "a Unix socket");
		return true;
	case IPV4: {
		struct in_addr v4 = { .s_addr = (uint32_t)turn };

		inet_ntop(AF_INET, &v4, address, sizeof address);
		snprintf(ret, FR_TRAFFIC_PEER, "%s:%u", address, port);
		return true;
	}
	case IPV6: {
		uint64_t words[2] = { FR_COUNT_GET(t->turn_ip6[0]), FR_COUNT_GET(t->turn_ip6[1]) };

		inet_ntop(AF_INET6, words, address, sizeof address);
		snprintf(ret, FR_TRAFFIC_PEER, "[%s]:%u", address, port);
		return true;
	}
	default:
		return false;
	}
}
