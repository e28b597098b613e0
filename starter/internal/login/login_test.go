package login

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogin_refusesAddressesWithoutTLS(t *testing.T) {
	for _, address := range []string{"http://close.bank.example", "close.bank.example", "ftp://localhost", ""} {
		_, err := New(address, "")
		require.ErrorContains(t, err, "is not the address of a console", address)
	}
}
