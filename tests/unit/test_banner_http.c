// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP request as --http-* shape it, which samples cannot show: what replaces what, which names and ports
 * become a Host, what is refused; and MD5 against the vectors of RFC 1321.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "banner/banner.h"
#include "banner/md5.h"

#define AGENT "User-Agent: Mozilla/5.0 (compatible; trawl/" TRAWL_VERSION ")\r\n"

static char said[BANNER_REPLY_MAX + 1];

/* The request to a server of this name and port. */
static const char *request(const struct banner_http *h, const char *name, uint16_t port, bool tls)
{
        struct banner_conf conf = {0};
        struct err e;
        assert_int_equal(banner_http_request(&conf, h, &e), 0);
        struct wr w = wr_of(said, BANNER_REPLY_MAX);
        struct banner_turn t = {.name = span_str(name), .port = port, .tls = tls, .conf = &conf, .reply = &w};
        banner_by_name("http")->hello(&t);
        assert_false(w.full);
        said[wr_len(&w)] = 0;
        banner_conf_free(&conf);
        assert_null(conf.http_request.p);
        return said;
}

static void refused(const struct banner_http *h, const char *why)
{
        struct banner_conf conf = {0};
        struct err e;
        assert_int_equal(banner_http_request(&conf, h, &e), -1);
        if (!strstr(e.text, why))
                print_error("message: %s\n", e.text);
        assert_non_null(strstr(e.text, why));
        assert_null(conf.http_request.p);
}

static void test_default(void **state)
{
        (void)state;
        struct banner_http h = {0};
        assert_string_equal(request(&h, "", 80, false), "GET / HTTP/1.0\r\n" AGENT "Accept: */*\r\n\r\n");
        assert_string_equal(request(&h, "a.example", 80, false), "GET / HTTP/1.1\r\nHost: a.example\r\n" AGENT
                                                                 "Accept: */*\r\nConnection: close\r\n\r\n");
}

static void test_host(void **state)
{
        (void)state;
        struct banner_http h = {0};
        assert_non_null(strstr(request(&h, "a.example", 443, true), "Host: a.example\r\n"));
        assert_non_null(strstr(request(&h, "a.example", 443, false), "Host: a.example:443\r\n"));
        assert_non_null(strstr(request(&h, "a.example", 80, true), "Host: a.example:80\r\n"));
        assert_non_null(strstr(request(&h, "2001:db8::1", 80, false), "Host: [2001:db8::1]\r\n"));
        assert_null(strstr(request(&h, "a\r\nX: y", 80, false), "Host"));
        h.host = "b.example";
        assert_string_equal(request(&h, "a.example", 80, false), "GET / HTTP/1.1\r\nHost: b.example\r\n" AGENT
                                                                 "Accept: */*\r\nConnection: close\r\n\r\n");
        assert_non_null(strstr(request(&h, "", 80, false), "GET / HTTP/1.1\r\nHost: b.example\r\n"));
}

static void test_options(void **state)
{
        (void)state;
        struct banner_http h = {.method = "POST",
                                .url = "/x?y",
                                .version = "1.0",
                                .user_agent = "me (+https://example.org)",
                                .cookie = "a=b",
                                .payload = "\x01\x02 body",
                                .header = {"accept:text/html", "X-A:  1 "},
                                .n_headers = 2};
        assert_string_equal(
                request(&h, "", 80, false),
                "POST /x?y HTTP/1.0\r\nUser-Agent: me (+https://example.org)\r\n"
                "accept: text/html\r\nCookie: a=b\r\nX-A: 1\r\nContent-Length: 7\r\n\r\n\x01\x02 body");
        h.remove[0] = "USER-AGENT";
        h.remove[1] = "host";
        h.remove[2] = "connection";
        h.n_remove = 3;
        h.version = "HTTP/1.1";
        assert_string_equal(request(&h, "a.example", 80, false),
                            "POST /x?y HTTP/1.1\r\naccept: text/html\r\nCookie: a=b\r\nX-A: 1\r\n"
                            "Content-Length: 7\r\n\r\n\x01\x02 body");
}

static void test_refused(void **state)
{
        (void)state;
        char *big = malloc(5000);
        assert_non_null(big);
        memset(big, 'a', 4999);
        big[4999] = 0;
        refused(&(struct banner_http){.url = "/a b"}, "HTTP URL \"/a b\"");
        refused(&(struct banner_http){.method = "GE\r\nT"}, "HTTP method");
        refused(&(struct banner_http){.user_agent = "a\nb"}, "HTTP user agent");
        refused(&(struct banner_http){.cookie = "a\rb"}, "HTTP cookie");
        refused(&(struct banner_http){.host = "a b"}, "HTTP host");
        refused(&(struct banner_http){.header = {"no colon"}, .n_headers = 1}, "\"no colon\"");
        refused(&(struct banner_http){.header = {": x"}, .n_headers = 1}, "\": x\"");
        refused(&(struct banner_http){.header = {"a: b\r\nc: d"}, .n_headers = 1}, "HTTP header");
        refused(&(struct banner_http){.payload = big}, "longer than");
        free(big);
}

static void test_all_headers(void **state)
{
        (void)state;
        struct banner_http h = {.cookie = "c", .payload = "p", .host = "h", .n_headers = BANNER_HTTP_HEADERS};
        char text[BANNER_HTTP_HEADERS][16];
        for (unsigned i = 0; i < BANNER_HTTP_HEADERS; i++) {
                snprintf(text[i], sizeof(text[i]), "X-%u: %u", i, i);
                h.header[i] = text[i];
        }
        const char *r = request(&h, "", 80, false);
        for (unsigned i = 0; i < BANNER_HTTP_HEADERS; i++)
                assert_non_null(strstr(r, text[i]));
        assert_non_null(strstr(r, "Content-Length: 1\r\n\r\np"));
}

static void test_md5(void **state)
{
        (void)state;
        static const char *const vectors[][2] = {
                {"", "d41d8cd98f00b204e9800998ecf8427e"},
                {"a", "0cc175b9c0f1b6a831c399e269772661"},
                {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
                {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                 "d174ab98d277d9f5a5611c2c9f419d9f"},
                {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                 "57edf4a22be3c955ac49da2e2107b67a"},
        };
        for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
                for (size_t cut = 0; cut <= strlen(vectors[i][0]); cut++) {
                        struct md5 m;
                        char hex[33];
                        md5_start(&m);
                        md5_add(&m, span_of(vectors[i][0], cut));
                        md5_add(&m, span_str(vectors[i][0] + cut));
                        md5_finish_hex(&m, hex);
                        assert_string_equal(hex, vectors[i][1]);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default),     cmocka_unit_test(test_host),
                cmocka_unit_test(test_options),     cmocka_unit_test(test_refused),
                cmocka_unit_test(test_all_headers), cmocka_unit_test(test_md5),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
