package pbsm

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatuses(t *testing.T) {
	const clean, infected, failed, running = "clean", "infected", "failed", "running"
	for body, want := range map[string]string{
		`{"payload":{"scanStatus":"INFECTED"},"status":"success"}`:  infected,
		`{"status":"VIRUS_FOUND"}`:                                  infected,
		`{"payload":[{"files":[{"scan_result":"Quarantined"}]}]}`:   infected,
		`{"verdict":"malwareDetected"}`:                             infected,
		`{"payload":"REJECTED"}`:                                    infected,
		`"INFECTED"`:                                                infected,
		`INFECTED`:                                                  infected,
		`{"payload":{"infected":true}}`:                             infected,
		`{"payload":{"virusFound":"Yes"}}`:                          infected,
		`{"state":"not clean: virus found"}`:                        infected,
		`{"status":"FAILED","payload":"Malware found: EICAR"}`:      failed,
		`{"scanStatus":"SCAN_FAILED"}`:                              failed,
		`{"payload":"ERROR"}`:                                       failed,
		`{"status":"INPROGRESS"}`:                                   running,
		`{"payload":{"scanStatus":"In Progress"}}`:                  running,
		`{"status":"success","payload":{"state":"scanInProgress"}}`: running,
		`{"status":"PENDING"}`:                                      running,
		`{"status":"success","payload":"No virus found"}`:           clean,
		`{"status":"NO_VIRUS_FOUND"}`:                               clean,
		`{"status":"No known virus"}`:                               clean,
		`{"scanResult":"not infected"}`:                             clean,
		`{"scanResult":"VIRUS_FREE"}`:                               clean,
		`{"status":"VIRUS_SCAN_PASSED"}`:                            clean,
		`{"status":"success","message":"0 infected files"}`:         clean,
		`{"status":"success","message":"checked for malware"}`:      clean,
		`{"payload":{"virusScan":true,"infected":false}}`:           clean,
		`{"errorCode":"NO_ERROR","statusCode":0}`:                   clean,
		`{"payload":"Fichier analysé, aucun virus"}`:                clean,
		`{}`:       clean,
		`null`:     clean,
		`All well`: clean,
	} {
		got := newResponse(call{}, 200, http.Header{}, []byte(body), nil).statuses()
		said := clean
		switch {
		case got.infected():
			said = infected
		case got.fail():
			said = failed
		case got.inProgress():
			said = running
		}
		require.Equal(t, want, said, body)
	}
}
