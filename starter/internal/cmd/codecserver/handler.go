package codecserver

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

const maxRequest = 32 << 20 // bytes; a page of the Temporal UI sends the payloads of many events

// newHandler answers /encode and /decode as Temporal's tools request them, and /healthz. The log has who
// sent a request, from where and how large, never what.
func newHandler(codec converter.PayloadCodec, origins []string, logger *slog.Logger) http.Handler {
	payloads := http.MaxBytesHandler(converter.NewPayloadCodecHTTPHandler(lenientCodec{codec, logger}), maxRequest)
	logged := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		logger.Info("request", "path", r.URL.Path, "from", r.RemoteAddr, "origin", r.Header.Get("Origin"),
			"namespace", r.Header.Get("X-Namespace"), "bytes", r.ContentLength)
		payloads.ServeHTTP(w, r)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("/encode", forOrigins(origins, logged))
	mux.Handle("/decode", forOrigins(origins, logged))
	return mux
}

// lenientCodec returns a payload unchanged when it cannot be opened, and logs why. An error would hide the
// others as well: the temporal command gives up a whole list or history.
type lenientCodec struct {
	converter.PayloadCodec
	logger *slog.Logger
}

func (c lenientCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	opened := slices.Clone(payloads)
	unopened := map[string]int{} // by error
	for i := range payloads {
		one, err := c.PayloadCodec.Decode(payloads[i : i+1])
		if err != nil {
			unopened[err.Error()]++
			continue
		}
		opened[i] = one[0]
	}
	for _, reason := range slices.Sorted(maps.Keys(unopened)) {
		c.logger.Warn("payloads could not be opened and are returned unchanged", "payloads", unopened[reason],
			"error", reason)
	}
	return opened, nil
}

// forOrigins serves pages of the origins. A page of another one is refused, rather than only kept from
// reading the response. A request of no page (temporal --codec-endpoint) has no origin.
func forOrigins(origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		origin, isPage := r.Header["Origin"]
		if isPage && (len(origin) != 1 || !slices.Contains(origins, origin[0])) {
			http.Error(w, "pages of this origin are not allowed", http.StatusForbidden)
			return
		}
		if isPage {
			header.Set("Access-Control-Allow-Origin", origin[0])
			header.Set("Access-Control-Allow-Credentials", "true")
		}
		if r.Method == http.MethodOptions {
			header.Set("Access-Control-Allow-Methods", http.MethodPost)
			header.Set("Access-Control-Allow-Headers", "Authorization, Authorization-Extras, Content-Type, X-Namespace")
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
