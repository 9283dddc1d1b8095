// SPDX-License-Identifier: Apache-2.0
/*
 * The dialogues of test_stack_dialogue.c, which says what the words mean. By chapter: handshake, sending,
 * losses, windows, receiving, closing, resets, opening by a SYN, what strangers send, time, the owner's calls
 * inside of up-calls. RFC 9293 §3.10, RFC 5961, RFC 6298, RFC 7323, RFC 5927.
 */
#define OPEN  "accept mss=1000; ! opened; > A seq=1 ack=1; "
#define SMALL "accept mss=100; ! opened; > A; "
#define SHUT  "accept mss=1000 win=0; ! opened; > A; send 5; >-; "
#define FIVE  "send 5; > AP seq=1 len=5; "
#define FW1   OPEN "close; > AF seq=1 ack=1; "
#define FW2   FW1 "< A ack=2; "
#define CW    OPEN "< AF; ! finished; > A seq=1 ack=2; "
#define LAST  CW "close; > AF seq=1 ack=2; "
#define CLNG  FW1 "< AF ack=1; ! finished; > A seq=2 ack=2; "
#define TW    FW2 "< AF; ! finished; ! ended closed; > A seq=2 ack=2; "
#define SENT  "connect; > S seq=0; "
#define RCVD  SENT "< S seq=0; > SA seq=0 ack=1; "
#define TRY4  "+1000; > AP len=5; +2000; > AP len=5; +4000; > AP len=5; +8000; > AP len=5; "

static const struct {
        const char *name;
        uint16_t window; /* ours; 0: the default */
        const char *steps;
} rows[] = {
        /* ---- handshake ---- */
        {"the SYN-ACK is acknowledged", 0, OPEN "conns 1; cells 0; ttl 55"},
        {"an idle connection stays as it is", 0, OPEN "+3600000; conns 1"},
        {"the ACK rides on the first bytes", 0,
         "on opened send5; accept; ! opened; > AP seq=1 ack=1 len=5; < A"},
        {"a repeated SYN-ACK is acknowledged again", 0, OPEN "< SA seq=0 ack=1; > A seq=1 ack=1"},
        {"every time", 0,
         OPEN "< SA seq=0 ack=1; > A ack=1; < SA seq=0 ack=1; > A ack=1; +3000; < SA seq=0; > A"},
        {"also after bytes of ours", 0, OPEN FIVE "< SA seq=0 ack=1; > A seq=6 ack=1; < A"},
        {"after bytes of theirs no more than asked for", 0,
         OPEN "< A len=3; ! data 3; > A ack=4; < SA seq=0 ack=1; > A ack=4; < SA seq=0 ack=1; >-; +600; "
              "< SA seq=0 ack=1; > A ack=4"},
        {"an MSS of 1 is not believed", 0,
         "accept mss=1; ! opened; > A; send 100; > A seq=1 len=64; > AP seq=65 len=36; < A"},
        {"no MSS option", 0, "accept mss=0; ! opened; > A; send 500; > AP len=500; < A"},
        {"a large MSS is cut", 0,
         "accept mss=9000; ! opened; > A; send 1500; > A len=1400; > AP seq=1401 len=100; < A"},
        {"time stamps take room", 0,
         "accept mss=1000 ts; ! opened; > A; send 1000; > A len=988; > AP len=12; < A"},
        {"our window without scaling", 0, "accept; ! opened; > A win=16384"},
        {"our window, scaled", 0, "accept ws=0; ! opened; > A win=4096"},
        {"their window counts scaled after the SYN-ACK", 0,
         "accept mss=1000 win=100 ws=2; ! opened; > A; send 500; > A seq=1 len=100; < A win=100; > AP "
         "seq=101 len=400; < A"},
        {"the largest shift", 0,
         "accept mss=1000 win=1 ws=14; ! opened; > A; send 900; > A len=1; < A win=1; > AP len=899; < A"},
        {"the TTL is the last segment's", 0, OPEN "< A len=1 ttl=44; ! data 1; > A; ttl 44"},

        /* ---- sending ---- */
        {"bytes are acknowledged and forgotten", 0,
         OPEN "send 5; cells 2; > AP len=5; < A ack=6; cells 0; +60000"},
        {"segments of at most the MSS", 0,
         OPEN "send 2500; > A seq=1 len=1000; > A seq=1001 len=1000; > AP seq=2001 len=500; < A"},
        {"two sends make one segment", 0, OPEN "send 5; send 6; > AP len=11; < A"},
        {"and later ones another", 0, OPEN FIVE "send 6; > AP seq=6 len=6; < A"},
        {"an ACK for a part", 0, OPEN FIVE "< A ack=3; +1000; > AP seq=3 len=3; < A ack=6; cells 0"},
        {"an ACK for several segments", 0,
         OPEN "send 3000; > A len=1000; > A len=1000; > AP len=1000; < A ack=3001; cells 0"},
        {"the initial window is ten segments", 0,
         SMALL "send 1200; > A len=100; > A len=100; > A len=100; > A len=100; > A len=100; > A len=100; > A "
               "len=100; "
               "> A len=100; > A len=100; > A seq=901 len=100; >-; < A ack=101; > A seq=1001 len=100; > AP "
               "seq=1101 len=100; < A"},
        {"64 KiB wait and no more", 0,
         "accept mss=1000 win=1; ! opened; > A; send 60000; full 5537; send 5536; full 1; abort; ! ended "
         "aborted; > RA seq=1"},
        {"nothing is queued after close", 0,
         OPEN "close; full 5; > AF; < AF ack=2; ! finished; ! ended closed; > A"},
        {"a send of nothing", 0, OPEN "send 0; >-; cells 0"},
        {"the ACK rides on an answer", 0, OPEN "< A len=7; ! data 7; send 5; > AP seq=1 ack=8 len=5; < A"},
        {"one ACK for many segments", 0,
         OPEN "< A len=7; < A len=7; < A len=7; ! data 7; ! data 7; ! data 7; > A ack=22"},
        {"bytes, then FIN in one segment", 0,
         OPEN
         "send 5; close; > AFP seq=1 len=5; < A ack=7; < AF; ! finished; ! ended closed; > A seq=7 ack=2"},
        {"the FIN waits for the last segment", 0,
         OPEN
         "send 1500; close; > A len=1000; > AFP seq=1001 len=500; < AF; ! finished; ! ended closed; > A"},

        /* ---- losses ---- */
        {"our request is lost", 0, OPEN FIVE "+999; >-; +1; > AP seq=1 len=5; < A; +60000"},
        {"lost twice", 0, OPEN FIVE "+1000; > AP len=5; +1999; >-; +1; > AP len=5; < A"},
        {"lost for ever", 0, OPEN FIVE TRY4 "+4999; >-; +1; ! ended timeout; > RA seq=6 ack=1; conns 0"},
        {"an ACK begins the counting anew", 0,
         OPEN FIVE "+1000; > AP len=5; < A ack=3; +1000; > AP seq=3 len=3; +2000; > AP len=3; < A"},
        {"the first of three is lost", 0,
         OPEN "send 3000; > A len=1000; > A len=1000; > AP len=1000; < A ack=1; < A ack=1; >-; +1000; > A "
              "seq=1 len=1000; "
              "< A ack=3001; >-; cells 0"},
        {"the middle one is lost", 0,
         OPEN "send 3000; > A len=1000; > A len=1000; > AP len=1000; < A ack=1001; +1000; > A seq=1001 "
              "len=1000; < A ack=3001; cells 0"},
        {"the last one is lost", 0,
         OPEN
         "send 2000; > A len=1000; > AP len=1000; < A ack=1001; +1000; > AP seq=1001 len=1000; < A ack=2001"},
        {"after a time-out one segment at a time", 0,
         OPEN
         "send 3000; > A len=1000; > A len=1000; > AP len=1000; +1000; > A seq=1 len=1000; >-; < A ack=1001; "
         "> A seq=1001 len=1000; > AP seq=2001 len=1000; >-; < A ack=3001"},
        {"three duplicates send at once", 0,
         SMALL "send 500; > A len=100; > A len=100; > A len=100; > A len=100; > AP len=100; < A ack=1; < A "
               "ack=1; >-; "
               "< A ack=1; > A seq=1 len=100; > A seq=101 len=100; >-; < A ack=501; >-; cells 0"},
        {"but only once", 0,
         SMALL
         "send 300; > A len=100; > A len=100; > AP len=100; < A ack=1; < A ack=1; < A ack=1; > A seq=1 "
         "len=100; "
         "> A seq=101 len=100; >-; < A ack=1; < A ack=1; < A ack=1; < A ack=1; >-; < A ack=301; cells 0"},
        {"nor again before all of that has arrived", 0,
         SMALL
         "send 500; > A len=100; > A len=100; > A len=100; > A len=100; > AP len=100; < A ack=1; < A ack=1; "
         "< A ack=1; > A seq=1 len=100; > A seq=101 len=100; >-; < A ack=101; > A "
         "seq=201 len=100; >-; < A ack=101; < A ack=101; < A ack=101; >-; < A ack=501; cells 0"},
        {"a window update is no duplicate", 0,
         OPEN FIVE
         "< A ack=1 win=500; < A ack=1 win=501; < A ack=1 win=502; < A ack=1 win=503; >-; < A ack=6"},
        {"the answer is lost: they send it again", 0,
         OPEN FIVE "< A ack=6; < A seq=1 ack=6 len=9; ! data 9; > A ack=10"},
        {"our ACK is lost: they send it again", 0,
         OPEN "< A len=9; ! data 9; > A ack=10; < A seq=1 len=9; > A ack=10"},
        {"the first half of the answer is lost", 0,
         OPEN "< A seq=10 len=9; > A ack=1; < A seq=1 len=9; ! data 9; ! data 9; > A ack=19"},
        {"our FIN is lost", 0,
         FW1 "+1000; > AF seq=1 ack=1; < A ack=2; < AF; ! finished; ! ended closed; > A"},
        {"their ACK of our FIN is lost", 0, FW1 "< AF ack=2; ! finished; ! ended closed; > A seq=2 ack=2"},
        {"their FIN is lost", 0, FW2 "+1000; >-; < AF; ! finished; ! ended closed; > A"},
        {"our last ACK is lost", 0, TW "< AF seq=1; > A seq=2 ack=2; < AF seq=1; > A"},
        {"our ACK of their FIN is lost", 0,
         CW "< AF seq=1; > A seq=1 ack=2; close; > AF; < A; ! ended closed"},
        {"FIN and bytes lost together", 0,
         OPEN
         "send 5; close; > AFP len=5; +1000; > AFP seq=1 len=5; < A; < AF; ! finished; ! ended closed; > A"},
        {"only the FIN is lost", 0,
         OPEN FIVE
         "close; > AF seq=6; < A ack=6; +1000; > AF seq=6; < A ack=7; < AF; ! finished; ! ended closed; > A"},
        {"the bytes before the FIN are lost", 0,
         OPEN FIVE
         "close; > AF seq=6; +1000; > AFP seq=1 len=5; < A ack=7; < AF; ! finished; ! ended closed; > A"},
        {"a FIN that nobody takes", 0,
         FW1 "+1000; > AF; +2000; > AF; +4000; > AF; +8000; > AF; +5000; ! ended timeout; > RA seq=2"},
        {"the same in LAST-ACK", 0,
         LAST "+1000; > AF; +2000; > AF; +4000; > AF; +8000; > AF; +5000; ! ended timeout; > RA seq=2"},
        {"an ACK that comes after the time-out", 0, OPEN FIVE "+1000; < A ack=6; >-; cells 0"},
        {"a slow peer raises the time-out", 0,
         "accept rtt=3000 ts; ! opened; > A; " FIVE "+7999; >-; +1; > AP len=5; < A ts=1001"},

        /* ---- windows ---- */
        {"a closed window is asked", 0,
         SHUT "shut 1; +999; >-; +1; > A seq=1 len=1; < A ack=1 win=0; +2000; > A seq=1 len=1; < A ack=1 "
              "win=1000; > AP seq=1 len=5; < A; shut 0"},
        {"it opens by itself", 0, SHUT "< A ack=1 win=1000; > AP seq=1 len=5; < A; +9000"},
        {"the byte is taken, it stays closed", 0,
         SHUT "+1000; > A seq=1 len=1; < A ack=2 win=0; >-; +1000; > A seq=2 len=1; < A ack=3 win=9; > AP "
              "seq=3 len=3; < A"},
        {"it stays closed, and they answer", 0,
         SHUT "+1000; > A len=1; < A ack=1; +2000; > A len=1; < A ack=1; +4000; > A len=1; < A ack=1; +8000; "
              "> A len=1; < A ack=1; "
              "+16000; > A len=1; < A ack=1; +16000; > A len=1; < A ack=1; +16000; > A len=1; < A ack=1; "
              "+16000; > A len=1; conns 1; "
              "< A ack=1 win=7; > AP seq=1 len=5; < A"},
        {"it stays closed, and they are gone", 0,
         SHUT "+1000; > A len=1; +2000; > A len=1; +4000; > A len=1; +8000; > A len=1; +5000; ! ended "
              "timeout; > RA"},
        {"a closed window does not stop ACKs", 0,
         SHUT "< A len=3; ! data 3; > A seq=1 ack=4; abort; ! ended aborted; > RA"},
        {"the answer to a lost probe", 0,
         SHUT "+1000; > A len=1; +2000; > A len=1; < A ack=1 win=3; > A seq=1 len=3; < A ack=4; > AP seq=4 "
              "len=2; < A"},
        {"close before a closed window ends", 0,
         SHUT "close; >-; +1000; > A len=1; < A ack=1; +2000; > A len=1; < A ack=1; +4000; > A len=1; < A "
              "ack=1; +8000; > A len=1; < A ack=1; "
              "+5000; ! ended timeout; > RA"},
        {"a FIN before a closed window", 0,
         "accept win=0; ! opened; > A; close; >-; +1000; > AF seq=1; < A ack=2; < AF; ! finished; ! ended "
         "closed; > A"},
        {"a FIN, and the window opens", 0,
         "accept win=0; ! opened; > A; close; >-; < A ack=1 win=9; > AF seq=1; < A ack=2; < AF; ! finished; "
         "! ended closed; > A"},
        {"a window of one byte", 0,
         "accept win=1; ! opened; > A; send 3; > A len=1; >-; < A; > A seq=2 len=1; < A; > AP seq=3 len=1; < "
         "A"},
        {"a window of seven", 0,
         "accept win=7; ! opened; > A; send 16; > A len=7; >-; < A; > A seq=8 len=7; < A; > AP len=2; < A"},
        {"the window moves with the ACK", 0,
         "accept mss=1000 win=1500; ! opened; > A; send 3000; > A len=1000; > A len=500; >-; < A ack=1001; > "
         "A seq=1501 len=1000; < A; > AP len=500; < A"},
        {"it shrinks under what is in flight", 0,
         OPEN "send 2000; > A len=1000; > AP len=1000; < A ack=1 win=500; >-; +1000; > A seq=1 len=500; < A "
              "ack=501; > A seq=501 len=500; < A ack=2001; >-; cells 0"},
        {"it closes over what is in flight", 0,
         OPEN "send 2000; > A len=1000; > AP len=1000; < A ack=1 win=0; +1000; > A seq=1 len=1; < A ack=1 "
              "win=3000; > A seq=1 len=1000; > AP seq=1001 len=1000; < A ack=2001"},
        {"the FIN has to fit as well", 0,
         "accept win=5; ! opened; > A; send 5; close; > AP len=5; >-; < A; > AF seq=6; < A; < AF; ! "
         "finished; ! ended closed; > A"},
        {"nor do overtaken bytes", 0,
         OPEN "< A seq=6 len=5 win=1000; < A seq=1 len=5 win=0; ! data 5; ! data 5; send 5; > AP seq=1 "
              "ack=11 len=5; < A win=9"},
        {"an overtaken ACK does not close the window", 0,
         OPEN "send 2000; > A len=1000; > AP len=1000; < A ack=2001 win=900; < A ack=1001 win=0; send 5; > "
              "AP seq=2001 len=5; < A"},

        /* ---- receiving ---- */
        {"bytes come", 0, OPEN "< A len=9; ! data 9; > A seq=1 ack=10; total 9"},
        {"with PSH, with URG", 0, OPEN "< AP len=9; ! data 9; < AU len=9; ! data 9; > A ack=19"},
        {"a pure ACK is not answered", 0, OPEN "< A; >-; < A; >-"},
        {"two in the wrong order", 0,
         OPEN
         "< A seq=6 len=5; > A ack=1; cells 2; < A seq=1 len=5; ! data 5; ! data 5; > A ack=11; cells 0"},
        {"three in reverse", 0,
         OPEN "< A seq=11 len=5; < A seq=6 len=5; < A seq=1 len=5; ! data 5; ! data 5; ! data 5; > A ack=16; "
              "cells 0"},
        {"the middle one last", 0,
         OPEN "< A len=5; ! data 5; < A seq=11 len=5; < A seq=6 len=5; ! data 5; ! data 5; > A ack=16"},
        {"two holes", 0,
         OPEN "< A seq=6 len=5; < A seq=16 len=5; > A ack=1; < A seq=1 len=5; ! data 5; ! data 5; > A "
              "ack=11; < A seq=11 len=5; ! data 5; ! data 5; > A ack=21; cells 0"},
        {"neighbours share a block", 0,
         OPEN "< A seq=6 len=5; < A seq=11 len=5; < A seq=16 len=5; cells 2; > A; < A seq=1 len=5; ! data 5; "
              "! data 15; > A ack=21"},
        {"each too early gets an ACK, so that they send again", 0,
         OPEN "< A seq=6 len=5; < A seq=11 len=5; < A seq=16 len=5; > A ack=1; > A ack=1; > A ack=1; >-; < A "
              "seq=1 len=5; ! data 5; ! data 15; > A ack=21; >-"},
        {"four are enough", 0,
         OPEN "< A seq=6 len=5; < A seq=11 len=5; < A seq=16 len=5; < A seq=21 len=5; < A seq=26 len=5; < A "
              "seq=31 len=5; > A ack=1; > A ack=1; > A ack=1; > A ack=1; >-"},
        {"all in its turn tells of no losses", 0,
         OPEN "< A len=5; ! data 5; > A ack=6; < A seq=1; < AF seq=6 len=5; ! data 5; ! finished; > A "
              "ack=12; lossy 0"},
        {"what comes too early tells of one", 0,
         OPEN "< A len=5; ! data 5; > A ack=6; lossy 0; < A seq=11 len=5; > A ack=6; lossy 1; < A seq=6 "
              "len=5; ! data "
              "5; ! data 5; > A ack=16; lossy 1"},
        {"a FIN too early, too", 0, OPEN "lossy 0; < AF seq=6; > A ack=1; lossy 1"},
        {"what is repeated, too", 0,
         OPEN "< A len=5; ! data 5; > A ack=6; < A seq=1 len=5; > A ack=6; lossy 1"},
        {"a repeated SYN-ACK, too", 0, OPEN "lossy 0; < SA seq=0 ack=1; > A; lossy 1"},
        {"that is known of what was reset", 0,
         OPEN "< A len=5; ! data 5; > A ack=6; < AF seq=11; > A ack=6; < R seq=6; ! ended reset; lossy 1"},
        {"none when the gap has closed", 0,
         OPEN "< A seq=6 len=5; < A seq=11 len=5; < A seq=1 len=5; ! data 5; ! data 10; > A ack=16; >-"},
        {"none behind their FIN", 0,
         OPEN "send 5; > AP len=5; < AF ack=1 seq=11; < A ack=1 seq=6 len=5; < A ack=1 seq=1 len=5; ! data "
              "5; ! data 5; ! finished; > A ack=12; >-; < A seq=12"},
        {"one twice, early", 0,
         OPEN "< A seq=6 len=5; < A seq=6 len=5; cells 2; > A ack=1; < A seq=1 len=5; ! data 5; ! data 5; > "
              "A ack=11"},
        {"one twice, late", 0, OPEN "< A len=5; ! data 5; > A ack=6; < A seq=1 len=5; > A ack=6; total 5"},
        {"half old, half new", 0, OPEN "< A len=5; ! data 5; < A seq=1 len=9; ! data 4; > A ack=10"},
        {"over the beginning of a kept one", 0,
         OPEN "< A seq=6 len=5; < A seq=1 len=7; ! data 7; ! data 3; > A ack=11; total 10"},
        {"over all of a kept one", 0,
         OPEN "< A seq=6 len=5; < A seq=1 len=19; ! data 19; > A ack=20; cells 0"},
        {"a kept one grows at its end", 0,
         OPEN "< A seq=6 len=5; < A seq=8 len=9; < A seq=1 len=5; ! data 5; ! data 11; > A ack=17"},
        {"a kept one grows at its beginning", 0,
         OPEN "< A seq=8 len=5; < A seq=4 len=6; < A seq=1 len=3; ! data 3; ! data 4; ! data 5; > A ack=13"},
        {"one over two kept ones and the hole", 0,
         OPEN "< A seq=6 len=3; < A seq=12 len=3; < A seq=4 len=13; < A seq=1 len=3; ! data 3; ! data 2; ! "
              "data 6; ! data 5; > A ack=17; total 16"},
        {"inside of a kept one", 0,
         OPEN "< A seq=6 len=9; < A seq=8 len=2; cells 2; < A seq=1 len=5; ! data 5; ! data 9; > A ack=15"},
        {"long ones in the wrong order", 0,
         OPEN
         "< A seq=1001 len=1000; > A ack=1; < A seq=1 len=1000; ! data 1000; ! data 116; ! data 116; ! data "
         "116; ! data 116; ! data 116; ! data 116; ! data 116; ! data 116; ! data 72; > A ack=2001; cells 0"},
        {"more than our window is cut", 100,
         OPEN "< A len=150; ! data 100; > A ack=101 win=100; < A seq=101 len=50; ! data 50; > A ack=151"},
        {"kept ones are cut as well", 100,
         OPEN "< A seq=51 len=100; cells 2; > A ack=1; < A seq=1 len=50; ! data 50; ! data 50; > A ack=101"},
        {"beyond the window: nothing is kept", 100,
         OPEN "< A seq=101 len=10; cells 0; > A seq=1 ack=1; < A seq=5000 len=10; > A ack=1"},
        {"beyond the window: its ACK is nothing", 0,
         OPEN FIVE "< A seq=20000 len=5 ack=6; > A seq=6 ack=1; cells 2; < A seq=1 ack=6; cells 0"},
        {"from before the window: nothing", 0,
         OPEN "< A len=10; ! data 10; > A; < A seq=4294960000 len=10; > A ack=11"},
        {"a window of one byte of ours", 1,
         OPEN "< A len=3; ! data 1; > A ack=2 win=1; < A seq=2 len=2; ! data 1; > A ack=3"},
        {"an empty segment at the window's end", 100, OPEN "< A seq=101; >-"},
        {"and behind it: asked, not too often", 100, OPEN "< A seq=102; > A ack=1; < A seq=102; >-"},
        {"a keep-alive is answered", 0,
         OPEN "< A len=4; ! data 4; > A ack=5; < A seq=4; > A ack=5; +75000; < A seq=4 len=1; > A ack=5"},
        {"bytes without ACK are nothing", 0, OPEN "< P len=5; >-; total 0"},

        /* ---- closing ---- */
        {"they close, then we", 0, CW "close; > AF seq=1 ack=2; < A; ! ended closed; conns 0; <? A"},
        {"we close, then they", 0,
         FW2 "< AF; ! finished; ! ended closed; > A seq=2 ack=2; conns 1; +499; conns 1; +2; conns 0"},
        {"their FIN acknowledges ours", 0,
         FW1 "< AF ack=2; ! finished; ! ended closed; > A seq=2 ack=2; conns 1; +501; conns 0"},
        {"both at once", 0, CLNG "< A ack=2; ! ended closed; conns 1; +501; conns 0"},
        {"both at once, and ours is lost", 0, CLNG "+1000; > AF seq=1 ack=2; < A ack=2; ! ended closed"},
        {"half-close: we still speak", 0,
         CW FIVE "< A ack=6; "
                 "send 9; > AP seq=6 ack=2 len=9; < A; close; > AF seq=15; < A; ! ended closed"},
        {"half-close: lost bytes are sent again", 0,
         CW FIVE "+1000; > AP seq=1 ack=2 len=5; < A; close; > AF; < A; ! ended closed"},
        {"half-close: they still speak", 0,
         FW2 "< A len=5; ! data 5; > A seq=2 ack=6; < AF len=5; ! data 5; ! finished; ! ended closed; > A "
             "ack=12"},
        {"bytes cross our FIN", 0,
         FW1 "< A ack=1 len=5; ! data 5; > A seq=2 ack=6; < A ack=2; < AF; ! finished; ! ended closed; > A "
             "ack=7"},
        {"bytes and FIN together", 0,
         OPEN "< AF len=5; ! data 5; ! finished; > A ack=7; close; > AF ack=7; < A; ! ended closed"},
        {"a FIN too early", 0,
         OPEN "< AF seq=6; > A ack=1; < A seq=1 len=5; ! data 5; ! finished; > A ack=7; close; > AF; < A; ! "
              "ended closed"},
        {"bytes and FIN too early", 0,
         OPEN
         "< AF seq=6 len=5; > A ack=1; < A seq=1 len=5; ! data 5; ! data 5; ! finished; > A ack=12; cells 0"},
        {"a FIN too early, twice", 0,
         OPEN "< AF seq=6; < AF seq=6; < A seq=1 len=5; ! data 5; ! finished; > A ack=7; cells 0"},
        {"a FIN too early, in FIN-WAIT-2", 0,
         FW2 "< AF seq=6; > A ack=1; < A seq=1 len=5; ! data 5; ! finished; ! ended closed; > A ack=7"},
        {"bytes behind a FIN are nobody's", 0,
         OPEN "< AF seq=6; < A seq=1 len=9; ! data 5; ! finished; > A ack=7"},
        {"bytes behind a FIN that came before it", 0,
         OPEN "< A seq=9 len=5; < AF seq=6; < A seq=1 len=5; ! data 5; ! finished; > A ack=7; cells 0"},
        {"bytes before and behind a FIN, kept before it came", 0,
         OPEN "< A seq=6 len=9; < AF seq=9; < A seq=1 len=5; ! data 5; > A ack=6; < A seq=6 len=9; ! data 3; "
              "! finished; > A ack=10; cells 0"},
        {"bytes after the FIN are nothing", 0, CW "< A seq=2 len=5; >-; total 0"},
        {"a FIN beyond the window is cut", 100,
         OPEN
         "< AF len=150; ! data 100; > A ack=101; < AF seq=101 len=50; ! data 50; ! finished; > A ack=152"},
        {"a FIN on the window's end", 100, OPEN "< AF len=100; ! data 100; ! finished; > A ack=102"},
        {"the peer took all and says nothing", 0,
         FW2 "+1999; conns 1; +1; ! ended closed; > RA seq=2 ack=1; conns 0"},
        {"bytes do not lengthen that wait", 0,
         FW2 "+1500; < A len=1; ! data 1; > A ack=2; +500; ! ended closed; > RA seq=2 ack=2"},
        {"nor does a window that opens", 0,
         FW2 "< A win=0; < A win=9; +2000; ! ended closed; > RA seq=2 ack=1"},
        {"a FIN again in TIME-WAIT begins it anew", 0,
         TW "+400; < AF seq=1; > A ack=2; +400; conns 1; +101; conns 0"},
        {"old bytes in TIME-WAIT", 0, TW "< A seq=4294967290 len=3; > A seq=2 ack=2; +501; conns 0"},
        {"a pure ACK in TIME-WAIT", 0, TW "< A; >-; +501; conns 0"},
        {"close twice", 0, FW1 "close; >-; < AF; ! finished; ! ended closed; > A"},
        {"close while bytes wait", 0,
         "accept win=3; ! opened; > A; send 5; close; > A len=3; < A; > APF seq=4 len=2; < A; < AF; ! "
         "finished; ! ended closed; > A"},
        {"a part of what FIN followed is taken", 0,
         OPEN "send 5; close; > AFP len=5; < A ack=3; +1000; > AFP seq=3 len=3; < A ack=7; < AF; ! finished; "
              "! ended closed; > A"},

        /* ---- resets ---- */
        {"a RST: ESTABLISHED", 0, OPEN "< R seq=1; ! ended reset; conns 0; >-"},
        {"a RST with ACK", 0, OPEN "< RA seq=1; ! ended reset"},
        {"a RST: CLOSE-WAIT", 0, CW "< R seq=2; ! ended reset"},
        {"a RST: FIN-WAIT-1", 0, FW1 "< R seq=1; ! ended reset"},
        {"a RST: FIN-WAIT-2", 0, FW2 "< R seq=1; ! ended reset"},
        {"a RST: CLOSING", 0, CLNG "< R seq=2; ! ended closed"},
        {"a RST: LAST-ACK", 0, LAST "< R seq=2; ! ended closed"},
        {"a RST: TIME-WAIT", 0, TW "< R seq=2; conns 0"},
        {"a RST: SYN-RECEIVED", 0, RCVD "< R seq=1; ! ended refused"},
        {"a RST beside the mark: ESTABLISHED", 0,
         OPEN "< R seq=2; > A seq=1 ack=1; conns 1; < R seq=1; ! ended reset"},
        {"a RST beside the mark: CLOSE-WAIT", 0, CW "< R seq=9; > A ack=2; conns 1"},
        {"a RST beside the mark: FIN-WAIT-1", 0, FW1 "< R seq=9; > A seq=2 ack=1; < R seq=1; ! ended reset"},
        {"a RST beside the mark: FIN-WAIT-2", 0, FW2 "< R seq=9; > A ack=1; < R seq=1; ! ended reset"},
        {"a RST beside the mark: TIME-WAIT", 0, TW "< R seq=9; >-; conns 1"},
        {"a RST out of the window", 0, OPEN "< R seq=60000; < R seq=4294967000; < R seq=0; >-; conns 1"},
        {"RSTs are asked about, not too often", 0,
         OPEN "< R seq=9; > A; < R seq=9; >-; +200; < R seq=9; >-; +500; < R seq=9; > A"},
        {"a RST with bytes in flight", 0, OPEN FIVE "< R seq=1; ! ended reset; >-; conns 0"},
        {"a RST with bytes kept", 0, OPEN "< A seq=9 len=5; < R seq=1; ! ended reset; conns 0"},
        {"we reset: ESTABLISHED", 0, OPEN FIVE "< A; abort; ! ended aborted; > RA seq=6 ack=1; conns 0"},
        {"we reset: bytes in flight", 0, OPEN FIVE "abort; ! ended aborted; > RA seq=6 ack=1"},
        {"we reset: nothing was sent yet", 0,
         "accept; ! opened; send 5; abort; ! ended aborted; > RA seq=1 ack=1; >-"},
        {"we reset: CLOSE-WAIT", 0, CW "abort; ! ended aborted; > RA seq=1 ack=2"},
        {"we reset: FIN-WAIT-1", 0, FW1 "abort; ! ended aborted; > RA seq=2 ack=1"},
        {"we reset: FIN-WAIT-2", 0, FW2 "abort; ! ended aborted; > RA seq=2 ack=1"},
        {"we reset: LAST-ACK", 0, LAST "abort; ! ended aborted; > RA seq=2 ack=2"},
        {"we reset: CLOSING", 0, CLNG "abort; ! ended aborted; > RA seq=2 ack=2"},
        {"what comes after a reset is not ours", 0,
         OPEN "abort; ! ended aborted; > RA; <? A len=5; <? SA seq=0; <? R"},

        /* ---- opening by a SYN ---- */
        {"a SYN and its answer", 0, SENT "< SA seq=0 ack=1; ! opened; > A seq=1 ack=1 mss=0"},
        {"what our SYN says", 0, "connect; > S seq=0 ack=0 win=16384; abort; ! ended aborted"},
        {"bytes queued before it stands", 0,
         "connect; send 5; > S; < SA seq=0 mss=1000; ! opened; > AP seq=1 ack=1 len=5; < A"},
        {"many bytes queued before it stands", 0,
         "connect; send 1500; > S; < SA seq=0 mss=1000; ! opened; > A len=1000; > AP len=500; < A"},
        {"bytes sent in opened", 0,
         "on opened send5; connect; > S; < SA seq=0; ! opened; > AP seq=1 len=5; < A"},
        {"no scaling, no time stamps were offered", 0,
         SENT "< SA seq=0 win=10 ws=7 ts=5; ! opened; > A win=16384; < A win=10; send 20; > A len=10; < A; > "
              "AP len=10; < A"},
        {"refused", 0, SENT "< RA seq=0 ack=1; ! ended refused; conns 0; >-"},
        {"a RST without ACK says nothing", 0, SENT "< R seq=0; conns 1; >-; +1000; > S; < SA; ! opened; > A"},
        {"a RST with a wrong ACK says nothing", 0,
         SENT "< RA seq=0 ack=7; >-; conns 1; < RA seq=0 ack=0; conns 1"},
        {"an ACK out of another life", 0,
         SENT "< A seq=77 ack=99; > R seq=99; >-; conns 1; +99; >-; +1; > S seq=0; < SA seq=0 ack=1; ! "
              "opened; > A"},
        {"a SYN-ACK out of another life", 0,
         SENT "< SA seq=0 ack=9; > R seq=9; >-; conns 1; +100; > S seq=0; < SA seq=0; ! opened; > A"},
        {"our RST to another life is lost", 0,
         SENT "< A seq=77 ack=99; > R seq=99; +100; > S; < A seq=77 ack=99; > R seq=99; +1999; >-; +1; > S; "
              "< SA; ! opened; > A"},
        {"another life comes back late", 0,
         SENT "+950; < A seq=77 ack=99; > R seq=99; +49; >-; +1; > S; < SA; ! opened; > A"},
        {"a stranger's ACKs do not use up our tries", 0,
         SENT "< A ack=9; > R seq=9; +100; > S; < A ack=9; > R seq=9; +100; < A ack=9; > R seq=9; >-; +1900; "
              "> S; < A ack=9; > R seq=9; +4000; > S; +8000; > S; +5000; ! ended timeout; >-; conns 0"},
        {"a RST with a wrong ACK hurries nothing", 0,
         SENT "< RA seq=0 ack=7; +999; >-; +1; > S; < SA; ! "
              "opened; > A"},
        {"an ACK before our SYN has left", 0,
         "connect; < A seq=77 ack=99; > R seq=99; > S seq=0; >-; +999; >-; +1; > S; < SA; ! opened; > A"},
        {"another life, and a challenge of our own afterwards", 0,
         SENT
         "< A seq=77 ack=99; > R seq=99; +100; > S; < SA seq=0; ! opened; > A; < R seq=2; > A seq=1 ack=1"},
        {"another life, closed meanwhile", 0,
         SENT "< A seq=77 ack=99; > R seq=99; close; +1; ! ended closed; >-; conns 0"},
        {"a FIN before anything", 0, SENT "< F seq=0; >-; conns 1"},
        {"our SYN is lost", 0, SENT "+999; >-; +1; > S seq=0; < SA seq=0; ! opened; > A"},
        {"nobody answers", 0,
         SENT "+1000; > S; +2000; > S; +4000; > S; +8000; > S; +5000; ! ended timeout; >-; conns 0"},
        {"both open at once", 0, RCVD "< SA seq=0 ack=1; ! opened; > A seq=1 ack=1"},
        {"both open at once, a plain ACK", 0, RCVD "< A seq=1 ack=1; ! opened; >-"},
        {"both open at once, with bytes", 0, RCVD "< A seq=1 ack=1 len=5; ! opened; ! data 5; > A ack=6"},
        {"both open at once, ours is lost", 0, RCVD "+1000; > SA seq=0 ack=1; < A seq=1 ack=1; ! opened"},
        {"both open at once, theirs again", 0, RCVD "< S seq=0; > SA seq=0 ack=1; < A seq=1; ! opened"},
        {"both open at once, an ACK of a SYN that has not left", 0,
         "connect; < S seq=0; < SA seq=0 ack=0; < A seq=1 ack=0; > R seq=0; > SA seq=0 ack=1; < A seq=1 "
         "ack=1; ! opened; >-"},
        {"both open at once, a wrong ACK", 0, RCVD "< A seq=1 ack=9; > R seq=9; conns 1"},
        {"both open at once, and nothing more", 0,
         RCVD "+1000; > SA; +2000; > SA; +4000; > SA; +8000; > SA; +5000; ! ended timeout; > RA seq=1 ack=1"},
        {"both open at once, closed before", 0,
         RCVD "close; >-; < A seq=1 ack=1; > AF seq=1 ack=1; < AF; ! finished; ! ended closed; > A"},
        {"closed before it stood", 0, SENT "close; >-; +1; ! ended closed; >-; conns 0"},
        {"closed, and the answer comes at once", 0,
         SENT "close; < SA seq=0 ack=1; ! ended closed; > R seq=1"},
        {"aborted before it stood", 0, SENT "abort; ! ended aborted; >-; <? SA seq=0"},
        {"unreachable: the port", 0, SENT "icmp 3 3 seq=0; ! ended refused; conns 0"},
        {"unreachable: the host, perhaps for now", 0,
         SENT "icmp 3 1 seq=0; conns 1; +1000; > S; < SA seq=0; ! opened; > A"},
        {"unreachable: somebody guesses", 0, SENT "icmp 3 3 seq=1; icmp 3 3 seq=4294967295; conns 1"},
        {"no MTU before it stands", 0, SENT "icmp 3 4 mtu=600 seq=0; >-; conns 1"},

        /* ---- strangers ---- */
        {"a SYN where there is a connection", 0, OPEN "< S seq=9; > A seq=1 ack=1; < S seq=9; >-"},
        {"a SYN far away", 0, OPEN "< S seq=3000000; > A seq=1 ack=1; conns 1"},
        {"a SYN in CLOSE-WAIT", 0, CW "< S seq=9; > A ack=2; conns 1"},
        {"a SYN in TIME-WAIT", 0, TW "< S seq=9; > A ack=2; +501; conns 0"},
        {"a SYN with RST counts as a RST", 0, OPEN "< SR seq=1; ! ended reset"},
        {"an ACK of what was never sent", 0, OPEN FIVE "< A ack=7; > A seq=6; < A ack=6; cells 0"},
        {"its bytes count for nothing", 0, OPEN "< A ack=7 len=5; > A ack=1; total 0"},
        {"an ACK from long ago", 0, OPEN "< A ack=4294800000 len=5; > A ack=1; total 0"},
        {"an ACK from a moment ago, with bytes", 0,
         OPEN FIVE "< A ack=6; < A ack=1 len=5; ! data 5; > A ack=6"},
        {"no flags at all", 0, OPEN "<  ; >-"},
        {"a time stamp from before", 0,
         "accept ts; ! opened; > A; < A len=5 ts=1001; ! data 5; > A; < A seq=6 len=5 ts=1000; > A ack=6; "
         "total 5; < A seq=6 len=5 ts=1001; ! data 5; > A"},
        {"a RST needs no time stamp", 0, "accept ts; ! opened; > A; < R seq=1 ts=1; ! ended reset"},
        {"bytes without the time stamp agreed on", 0, "accept ts; ! opened; > A; < A len=5; ! data 5; > A"},
        {"a time stamp that wraps", 0,
         "accept ts; ! opened; > A; < A len=1 ts=2000000000; ! data 1; > A; < A len=1 ts=4000000000; ! data "
         "1; > A; "
         " < A len=1 ts=3; ! data 1; > A"},
        {"unreachable, but it stands", 0, OPEN FIVE "icmp 3 3 seq=1; icmp 3 2 seq=1; >-; < A; conns 1"},
        {"an MTU for nothing in flight", 0,
         OPEN "icmp 3 4 mtu=100 seq=1; send 900; > AP len=900; icmp 3 4 mtu=100 seq=901; icmp 3 4 mtu=100 "
              "seq=0; >-; < A"},
        {"a larger MTU changes nothing", 0, OPEN "send 900; > AP len=900; icmp 3 4 mtu=9000 seq=1; >-; < A"},

        /* ---- time ---- */
        {"the owner's timer", 0, OPEN "timer 500; +500; +1; ! timer; +5000"},
        {"called off", 0, OPEN "timer 500; timer 0; +5000"},
        {"put off", 0, OPEN "timer 500; +400; timer 500; +400; +101; ! timer"},
        {"put forward", 0, OPEN "timer 50000; timer 10; +11; ! timer; +60000"},
        {"set again when it comes", 0, OPEN "timer 300; +301; ! timer; timer 300; +301; ! timer"},
        {"a day", 0, OPEN "timer 86400000; +86400000; +1; ! timer"},
        {"the timer and the time-out do not mix", 0,
         OPEN FIVE "timer 500; +501; ! timer; +499; > AP seq=1 len=5; timer 3000; < A; +3001; ! timer"},
        {"no timer after the end", 0, OPEN "timer 500; abort; ! ended aborted; > RA; +1000"},
        {"no timer in TIME-WAIT", 0,
         FW1 "timer 100; < AF ack=2; ! finished; ! ended closed; > A; +1000; conns 0"},
        {"the timer in CLOSE-WAIT", 0, CW "timer 100; +101; ! timer"},

        /* ---- calls inside of up-calls ---- */
        {"abort in opened", 0,
         "on opened abort; accept; ! opened; ! ended aborted; > RA seq=1 ack=1; conns 0"},
        {"close in opened", 0,
         "on opened close; accept; ! opened; > AF seq=1 ack=1; < AF; ! finished; ! ended closed; > A"},
        {"abort in opened, by SYN", 0,
         "on opened abort; connect; > S; < SA seq=0; ! opened; ! ended aborted; > RA; conns 0"},
        {"abort in data", 0,
         OPEN "on data abort; < A len=5; ! data 5; ! ended aborted; > RA seq=1 ack=6; conns 0"},
        {"abort in data that FIN follows", 0,
         OPEN "on data abort; < AF len=5; ! data 5; ! ended aborted; > RA ack=6"},
        {"abort in data, more of it kept", 0,
         OPEN
         "on data abort; < A seq=6 len=500; < A seq=1 len=5; ! data 5; ! ended aborted; > RA ack=6; conns 0"},
        {"close in data", 0,
         OPEN "on data close; < A len=5; ! data 5; > AF seq=1 ack=6; < AF; ! finished; ! ended closed; > A"},
        {"close in data that FIN follows", 0,
         OPEN "on data close; < AF len=5; ! data 5; ! finished; > AF seq=1 ack=7; < A; ! ended closed"},
        {"send in data", 0, OPEN "on data send5; < A len=7; ! data 7; > AP seq=1 ack=8 len=5; < A"},
        {"send in data, more of it kept", 0,
         OPEN "on data send5; < A seq=6 len=5; < A seq=1 len=5; ! data 5; ! data 5; > AP len=10; < A"},
        {"close in finished", 0,
         OPEN "on finished close; < AF; ! finished; > AF seq=1 ack=2; < A; ! ended closed"},
        {"abort in finished", 0,
         OPEN "on finished abort; < AF; ! finished; ! ended aborted; > RA seq=1 ack=2"},
        {"abort in finished, we had closed", 0,
         FW2 "on finished abort; < AF; ! finished; ! ended aborted; > RA; conns 0"},
        {"send and close in finished", 0,
         OPEN "on finished send5; on finished close; < AF; ! finished; > APF seq=1 ack=2 len=5; < A; ! ended "
              "closed"},
        {"abort in timer", 0, OPEN "on timer abort; timer 10; +11; ! timer; ! ended aborted; > RA; conns 0"},
        {"close in timer", 0,
         OPEN "on timer close; timer 10; +11; ! timer; > AF; < AF; ! finished; ! ended closed; > A"},
        {"send in timer", 0, OPEN "on timer send5; timer 10; +11; ! timer; > AP len=5; < A"},
        {"calls in ended do nothing", 0,
         OPEN "on ended abort; on ended send5; on ended close; < R seq=1; ! ended reset; >-; conns 0"},
        {"also before TIME-WAIT", 0,
         FW2 "on ended abort; on ended send5; < AF; ! finished; ! ended closed; > A seq=2 ack=2; conns 1; "
             "+501; conns 0"},
};
